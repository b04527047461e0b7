"""The patience of a client: every limit and time of the SDK with its default and unit."""

from attrs import frozen


@frozen
class Options:
    """``attempt_timeout_s`` bounds one try from the ticket to ``ready``; ``call_timeout_s`` one answer.

    ``base_s``, ``cap_s``: ceilings of the first and of every later delay between tries. ``hint_attempts``: for how many
    tries a GOAWAY's stack and URL are followed. ``stable_s``: a connection that lived that long makes the next delay
    short again. ``message_bytes``: a call larger than this is refused here, before the node would cut the connection.
    """

    attempt_timeout_s: float = 10.0
    call_timeout_s: float = 10.0
    base_s: float = 0.2
    cap_s: float = 10.0
    authentication_tries: int = 3
    ticket_tries: int = 5
    hint_attempts: int = 3
    stable_s: float = 5.0
    stop_timeout_s: float = 2.0
    retire_s: float = 2.0
    pair_grace_s: float = 2.0
    heartbeat_s: float = 10.0
    send_window: int = 256
    ack_every: int = 64
    message_bytes: int = 120_000
    unread_events: int = 1000


DEFAULT = Options()
