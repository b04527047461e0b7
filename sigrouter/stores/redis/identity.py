"""Which run of which Redis answers, and whether it has everything that the run before it acknowledged."""

from attrs import frozen
from txredisapi import ResponseError

from sigrouter.stores.redis.wire import Wire


@frozen
class Identity:
    """``run_id``: of the server process. ``durable``: nothing that it answered can be lost when it crashes."""

    run_id: bytes
    durable: bool


async def who_answers(wire: Wire) -> Identity:
    """Ask the server.

    Only with ``appendfsync always`` is everything on the disk before it is answered. With ``everysec``, and after a
    replica was made the master, the last answers may be lost. A server that does not tell its settings counts as such.

    Raises:
        txredisapi.RedisError: it does not answer.
    """
    information = dict(
        line.split(b":", 1) for line in (await wire.ask(b"INFO")).splitlines() if b":" in line and line[:1] != b"#"
    )
    was_replica = information.get(b"master_replid2", b"").strip(b"0") != b""
    try:
        told = await wire.ask(b"CONFIG", b"GET", b"append*")
    except ResponseError:
        told = []
    settings = dict(zip(told[::2], told[1::2], strict=True))
    durable = settings.get(b"appendonly") == b"yes" and settings.get(b"appendfsync") == b"always"
    return Identity(information[b"run_id"], durable and not was_replica)
