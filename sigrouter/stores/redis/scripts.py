"""The Lua scripts: each one file, put together with the constants and the parts that it needs, run by its hash."""

import math
from collections.abc import Callable
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

from attrs import frozen
from txredisapi import ConnectionError as ConnectionGone
from txredisapi import RedisError, ResponseError

from sigrouter.protocol.errors import Unavailable
from sigrouter.stores.interface import StoreTimes
from sigrouter.stores.redis.codec import unpack_answer
from sigrouter.stores.redis.identity import who_answers
from sigrouter.stores.redis.keys import CONSTANTS
from sigrouter.stores.redis.link import Link
from sigrouter.stores.redis.wire import Wire

LIFE: Final = ("life",)
BONDS: Final = ("life", "bonds")
QUEUE: Final = ("life", "bonds", "queue")
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "create": LIFE, "claim": (), "confirm": LIFE, "keepalive": LIFE, "lost": LIFE, "end": BONDS, "expire": BONDS,
    "records": (), "pairs_of": LIFE, "send": (), "read": (), "ack": (), "notify": (), "announce": LIFE, "worker": (),
    "request": QUEUE, "cancel": BONDS, "release": BONDS, "match": QUEUE, "lease": (), "release_node": (), "nodes": (),
    "mark": (), "record": (), "handovers": (), "greet": (),
}  # fmt: skip
"""Script to the shared parts that it needs besides ``base``."""

NOT_SERVING: Final = (
    "LOADING", "READONLY", "OOM", "MISCONF", "BUSY", "MASTERDOWN", "NOREPLICAS", "NOAUTH", "NOPERM", "EXECABORT",
    "TRYAGAIN", "CLUSTERDOWN", "UNKILLABLE", "max number of clients",
)  # fmt: skip
"""What Redis says when it may serve the same command later. Redis 6 puts its own error in the middle of the text when
the command was in a script."""

RELOCATED: Final = ("READONLY", "LOADING", "MASTERDOWN")
"""Of these, those after which another connection may lead to a better server."""


@frozen
class Script:
    """A script's whole text and the hash that Redis knows it by."""

    text: bytes
    digest: bytes


class Scripts:
    """Runs scripts over the link of commands.

    ``clock``: seconds since the Unix epoch, for tests; ``None``: Redis's own time.
    """

    def __init__(self, times: StoreTimes, link: Link, clock: Callable[[], float] | None) -> None:
        self._link = link
        self._clock = clock
        self._scripts = assemble(times)

    async def greet(self, wire: Wire) -> None:
        """Make a server, fresh or restarted, know all the scripts; if it may have lost something, change the epochs."""
        await wire.ask_all((b"SCRIPT", b"LOAD", script.text) for script in self._scripts.values())
        identity = await who_answers(wire)
        durable = b"1" if identity.durable else b"0"
        await wire.ask(b"EVALSHA", self._scripts["greet"].digest, b"0", b"", identity.run_id, durable)

    async def run(self, name: str, *arguments: bytes | str | float) -> Any:
        """One script, one round trip; its answer is a list that starts with the outcome.

        Raises:
            Unavailable: Redis is away, hung, or does not serve.
        """
        script = self._scripts[name]
        now = b"" if self._clock is None else repr(float(self._clock())).encode()
        given = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
        try:
            answer = await self.command(b"EVALSHA", script.digest, b"0", now, *given)
        except ResponseError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            answer = await self.command(b"EVAL", script.text, b"0", now, *given)
        return unpack_answer(answer)

    async def command(self, *command: bytes) -> Any:
        """One plain command.

        Raises:
            Unavailable: Redis is away, hung, or does not serve.
            ResponseError: anything else that Redis did not like: a bug of ours.
        """
        link = self._link
        wire = link.wire
        if wire is None:
            raise Unavailable
        try:
            answer = await wire.ask(*command)
        except ConnectionGone:
            raise Unavailable from None
        except RedisError as error:
            why = str(error)
            if not any(sign in why for sign in NOT_SERVING):
                raise
            link.note(up=False, why=why)
            if any(sign in why for sign in RELOCATED):
                wire.abort(why)
            raise Unavailable from None
        if not link.well:
            link.note(up=True)
        return answer


def assemble(times: StoreTimes) -> dict[str, Script]:
    """All scripts by name. The settings are constants in their text, so nodes with other settings run other scripts."""
    longest_s = max(times.record_ttl_s, 2 * times.recovery_window_s, 2 * times.handshake_s)
    numbers = {
        "RECOVERY_WINDOW_S": times.recovery_window_s,
        "HANDSHAKE_S": times.handshake_s,
        "NODE_LEASE_S": times.node_lease_s,
        "TOMBSTONE_TTL_S": times.tombstone_ttl_s,
        "LIVE_TTL_S": math.ceil(longest_s),
        "ROOM_TTL_S": math.ceil(times.record_ttl_s),
        "HANDOVER_TTL_S": math.ceil(times.handover_ttl_s),
        "MAILBOX_ENTRIES": times.mailbox_entries,
        "ROOM_ENTRIES": times.room_entries,
    }
    constants = {name: f"'{value}'" for name, value in CONSTANTS.items()} | {
        name: repr(value) for name, value in numbers.items()
    }
    scripts = {}
    for name, parts in PARTS.items():
        body = "\n".join(_source(part) for part in ("base", *parts, name))
        # Only what the text names: it is run, line by line, for each message.
        used = [f"local {name} = {value}" for name, value in constants.items() if name in body]
        text = "\n".join((*used, body)).encode()
        scripts[name] = Script(text, sha1(text, usedforsecurity=False).hexdigest().encode())
    return scripts


def _source(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
