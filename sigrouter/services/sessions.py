"""The life of a session after its admission: ready, heartbeat, information, end, and the loss of its connection."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sigrouter.protocol import errors
from sigrouter.protocol.messages import MAILBOX, Position
from sigrouter.services.backlog_page import backlog_on_wire
from sigrouter.services.connections import Connection, Connections
from sigrouter.services.delivery import Delivery
from sigrouter.services.fence import refuse_superseded
from sigrouter.services.recovery import RecoveryClaims, RecoveryTokens
from sigrouter.services.steps import Steps
from sigrouter.settings import Settings
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Confirm, Confirmed, PairView, mailbox


def pairs_on_wire(pairs: Sequence[PairView]) -> list[dict[str, Any]]:
    """Pairs as ``ready`` and ``info`` answer them."""
    return [
        {
            "pair_id": pair.pair_id,
            "peer_session_id": pair.peer_session_id,
            "peer_user_id": pair.peer_user_id,
            "peer_state": pair.peer_state,
        }
        for pair in pairs
    ]


@define(eq=False)
class Sessions:
    """``clock`` puts the release of held events behind the ready answer; ``start`` runs a coroutine beside."""

    log = Logger()

    _settings: Settings
    _store: Store
    _tokens: RecoveryTokens
    _connections: Connections
    _delivery: Delivery
    _steps: Steps
    _clock: IReactorTime
    _start: Callable[[Coroutine[Any, Any, None]], object]
    _on_arrived: Callable[[str], None]
    _on_lost: Callable[[str], None]
    _unreported: dict[str, int] = field(factory=dict)

    async def ready(self, connection: Connection, position: Position | None) -> dict[str, Any]:
        """Confirm the connection's generation and answer what the session missed."""
        connection.asked = True
        self._delivery.hold(connection)
        try:
            confirmed = await self._confirm(connection, position)
        except Exception:
            self._delivery.release(connection)
            raise
        if connection.closed:
            await self._report_lost(connection)
            raise errors.Superseded
        self._take_over(connection, confirmed)
        # The answer goes out when this coroutine returns; what was held meanwhile must come after it.
        self._clock.callLater(0, self._delivery.release, connection)
        return self._ready_answer(connection, confirmed)

    async def _confirm(self, connection: Connection, position: Position | None) -> Confirmed:
        confirmed = await self._store.confirm(
            Confirm(
                session_id=connection.session_id,
                generation=connection.generation,
                node_id=self._settings.node.node_id,
                stack=self._settings.node.stack,
                connection_id=str(connection.connection_id),
                position=position,
                limit=self._settings.limits.backlog_entries,
            )
        )
        if isinstance(confirmed, errors.SigrouterError):
            raise confirmed
        return confirmed

    async def heartbeat(self, connection: Connection, position: Position | None) -> dict[str, Any]:
        """Acknowledge, refresh the token, and tell where the log's head is, so that a lost event cannot stay lost."""
        if position is not None:
            await self._store.ack(connection.session_id, connection.generation, position)
        after = Position(connection.epoch, connection.seq)
        backlog = await self._store.read(mailbox(connection.session_id), after, 1)
        if isinstance(backlog, errors.SigrouterError):
            raise errors.Recovery("unknown")
        if connection.superseded:  # Meanwhile: a token of its generation would be worth nothing.
            raise errors.Superseded
        if backlog.entries or backlog.reset:
            self._delivery.catch_up(connection)
        return {
            "recovery_token": self._token(connection),
            "token_ttl_s": self._settings.recovery.token_ttl_s,
            "channels": {MAILBOX: {"epoch": backlog.head.epoch, "seq": backlog.head.seq}},
            "at": int(self._clock.seconds() * 1000),
        }

    async def info(self, connection: Connection) -> dict[str, Any]:
        """The session as the store knows it."""
        record = await self._store.session(connection.session_id)
        if record is None or record.state == "ended":
            raise errors.Recovery("unknown" if record is None else "revoked")
        return {
            "session_id": record.session_id,
            "user_id": record.user_id,
            "role": record.role,
            "generation": record.generation,
            "node_id": record.node_id,
            "stack": record.stack,
            "created_at": record.created_at,
            "pairs": pairs_on_wire(await self._store.pairs_of(connection.session_id)),
        }

    async def leave(self, connection: Connection) -> bool:
        """End the session of a connection at its own wish."""
        await refuse_superseded(self._store, connection)
        return await self.end(connection.session_id, "ended")

    async def end(self, session_id: str, reason: str) -> bool:
        """End a session for good, wherever it is; True for the call that did it. Its slot goes to the next."""
        ended = await self._store.end(session_id, reason)
        if ended:
            self.log.info(
                "session ended: {reason}, sessionId={sessionId} nodeId={nodeId}",
                sessionId=session_id,
                reason=reason,
                nodeId=self._settings.node.node_id,
            )
            await self._store.match()
        return ended

    def connection_closed(self, connection_id: int) -> None:
        """A WAMP session is over; if it was the confirmed one, its session is away and may resume."""
        connection = self._connections.remove(connection_id)
        if connection is not None and connection.asked:
            # Not only if it became ready: the answer may have been lost, not the call. A loss that is none is harmless.
            self._start(self._report_lost(connection))
            self._on_lost(connection.session_id)

    async def report_unreported(self) -> None:
        """Tell the store of the losses that it could not be told while it was away."""
        for session_id, generation in tuple(self._unreported.items()):
            await self._store.lost(session_id, generation)
            if (
                self._unreported.get(session_id) == generation
            ):  # Meanwhile a younger connection may have been lost, too.
                del self._unreported[session_id]

    async def _report_lost(self, connection: Connection) -> None:
        try:
            await self._store.lost(connection.session_id, connection.generation)
        except errors.Unavailable:
            known = self._unreported.get(connection.session_id, 0)
            self._unreported[connection.session_id] = max(known, connection.generation)

    def _take_over(self, connection: Connection, confirmed: Confirmed) -> None:
        head = confirmed.backlog.head
        if connection.epoch != head.epoch or connection.seq <= head.seq:
            # Else it repeated its call, and what is younger than this answer was delivered to it already.
            connection.epoch, connection.seq = head.epoch, head.seq
            connection.pairs = {pair.pair_id: pair.peer_session_id for pair in confirmed.pairs}
        self._connections.confirm(connection)
        self._on_arrived(connection.session_id)
        handover_id = connection.handover_id or confirmed.previous.handover_id
        connection.handover_id = ""
        if confirmed.previous.generation:
            self._steps.note(handover_id, connection.session_id, connection.role, "resumed")
        replayed = {"entries": len(confirmed.backlog.entries), "reset": confirmed.backlog.reset}
        self._steps.note(handover_id, connection.session_id, connection.role, "replayed", replayed)
        self._steps.note(handover_id, connection.session_id, connection.role, "confirmed")
        self.log.info(
            "session ready: generation {generation}, {replayed} replayed, sessionId={sessionId} nodeId={nodeId}",
            sessionId=connection.session_id,
            nodeId=self._settings.node.node_id,
            generation=connection.generation,
            replayed=len(confirmed.backlog.entries),
        )

    def _ready_answer(self, connection: Connection, confirmed: Confirmed) -> dict[str, Any]:
        return {
            "session_id": connection.session_id,
            "generation": connection.generation,
            "role": connection.role,
            "node_id": self._settings.node.node_id,
            "recovery_token": self._token(connection),
            "token_ttl_s": self._settings.recovery.token_ttl_s,
            "last_number": confirmed.last_number,
            "pairs": pairs_on_wire(confirmed.pairs),
            "channels": {MAILBOX: backlog_on_wire(MAILBOX, confirmed.backlog, self._settings.limits.message_bytes)},
        }

    def _token(self, connection: Connection) -> str:
        return self._tokens.issue(
            RecoveryClaims(
                session_id=connection.session_id,
                user_id=connection.user_id,
                role=connection.role,
                generation=connection.generation,
                peers=tuple(connection.pairs.values())[:8],
            )
        )
