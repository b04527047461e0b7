"""Sessions in Redis: who holds which generation, and how a session ends."""

from collections.abc import Sequence
from typing import Any

from sigrouter.protocol.errors import Recovery, Superseded
from sigrouter.stores.records import Claim, Claimed, Confirm, Confirmed, NewSession, PairView, SessionRecord
from sigrouter.stores.redis import keys
from sigrouter.stores.redis.codec import backlog, pack
from sigrouter.stores.redis.part import PAGE, Part, pair_views, record, refusal, texts


class SessionsPart(Part):
    """:class:`~sigrouter.stores.interface.Sessions`."""

    async def create(self, new: NewSession) -> SessionRecord:
        _, fields = await self._scripts.run(
            "create", new.session_id, new.user_id, new.role, new.node_id, new.stack, new.connection_id, self._new_id()
        )
        return record(new.session_id, fields)

    async def claim(self, claim: Claim) -> Claimed | Recovery:
        match await self._scripts.run("claim", claim.session_id, claim.user_id, claim.role, claim.generation):
            case [b"ok", fields, generation]:
                return Claimed(record(claim.session_id, fields), generation)
            case [outcome]:
                return Recovery(outcome.decode())
            case strange:
                raise TypeError(strange)

    async def confirm(self, confirm: Confirm) -> Confirmed | Superseded | Recovery:
        position = confirm.position
        answer = await self._scripts.run(
            "confirm", confirm.session_id, confirm.generation, confirm.node_id, confirm.stack, confirm.connection_id,
            0 if position is None else 1, position.epoch if position else "", position.seq if position else 0,
            confirm.limit,
        )  # fmt: skip
        if answer[0] != b"ok":
            return refusal(answer[0])
        _, now, previous, missed, pairs, last_number = answer
        return Confirmed(
            record(confirm.session_id, now),
            record(confirm.session_id, previous),
            backlog(missed),
            pair_views(pairs),
            last_number,
        )

    async def keepalive(self, node_id: str, sessions: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        strangers: list[str] = []
        for start in range(0, len(sessions), PAGE):
            page = [list(one) for one in sessions[start : start + PAGE]]
            strangers += texts((await self._scripts.run("keepalive", node_id, pack(page)))[1])
        return tuple(strangers)

    async def lost(self, session_id: str, generation: int) -> bool:
        return bool((await self._scripts.run("lost", session_id, generation))[1])

    async def end(self, session_id: str, reason: str) -> bool:
        return bool((await self._scripts.run("end", session_id, reason))[1])

    async def session(self, session_id: str) -> SessionRecord | None:
        return (await self.sessions((session_id,)))[0]

    async def sessions(self, session_ids: Sequence[str]) -> tuple[SessionRecord | None, ...]:
        found: list[SessionRecord | None] = []
        for start in range(0, len(session_ids), PAGE):
            page = list(session_ids[start : start + PAGE])
            _, rows = await self._scripts.run("records", pack(page))
            found += [record(*one) if one[1] else None for one in zip(page, rows, strict=True)]
        return tuple(found)

    async def sessions_of(self, node_id: str) -> tuple[SessionRecord, ...]:
        members: list[Any] = await self._scripts.command(
            b"SMEMBERS", f"{keys.NODE}{node_id}{keys.NODE_SESSIONS_SUFFIX}".encode()
        )
        # Between the two steps a session may have moved.
        return tuple(
            one
            for one in await self.sessions(sorted(texts(members)))
            if one is not None and one.state == "connected" and one.node_id == node_id
        )

    async def pairs_of(self, session_id: str) -> tuple[PairView, ...]:
        return pair_views((await self._scripts.run("pairs_of", session_id))[1])

    async def expire(self) -> tuple[str, ...]:
        ended: list[str] = []
        more = True
        while more:
            _, page, more = await self._scripts.run("expire", PAGE)
            ended += texts(page)
        return tuple(ended)
