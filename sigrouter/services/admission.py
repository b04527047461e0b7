"""Lets a connection in: checks who it is, then makes a session for it or gives it back the one its token names."""

from collections.abc import Callable
from typing import Any, Final

from attrs import define, frozen
from twisted.logger import Logger

from sigrouter.machines.bucket import Bucket
from sigrouter.protocol import errors, messages
from sigrouter.protocol.uris import PROTOCOL_VERSION
from sigrouter.services.authentication import Identity, JwtVerifier
from sigrouter.services.cluster import Cluster
from sigrouter.services.connections import Connection, Connections
from sigrouter.services.recovery import RecoveryClaims, RecoveryTokens
from sigrouter.services.steps import Steps
from sigrouter.settings import Settings
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Claim, NewSession, Role

USERS_AT_LEAST: Final = 2
"""So many users share the places for handshakes when all of them are taken."""


@frozen
class Admission:
    """Who was let in, and what WELCOME's authextra says."""

    user_id: str
    role: str
    extra: dict[str, Any]


@define(eq=False)
class Admissions:
    """``now`` gives seconds since the Unix epoch; ``draining`` whether this node may take nobody any more."""

    log = Logger()

    _settings: Settings
    _verifier: JwtVerifier
    _tokens: RecoveryTokens
    _store: Store
    _connections: Connections
    _cluster: Cluster
    _steps: Steps
    _draining: Callable[[], bool]
    _now: Callable[[], float]
    _new_id: Callable[[], str]
    _under_way: int = 0

    async def admit(self, jwt: str, authextra: object, connection_id: int, peer: str) -> Admission:
        """Admit a client or worker, or raise the refusal that ABORT carries."""
        identity = self._verifier.verify(jwt)
        hello = messages.hello(authextra)
        if identity.role == "admin":
            raise errors.Forbidden("Operators connect to the admin port")
        if identity.role == "service":
            return Admission(identity.user_id, identity.role, {"protocol": PROTOCOL_VERSION})
        self._refuse_if_unable(hello, identity.user_id)
        self._under_way += 1
        try:
            if hello.recovery_token:
                return await self._resume(identity, hello, connection_id, peer)
            return await self._begin(identity, connection_id, peer)
        finally:
            self._under_way -= 1

    def _refuse_if_unable(self, hello: messages.Hello, user_id: str) -> None:
        limits = self._settings.limits
        if self._draining() and self._cluster.has_other_ready_node:
            raise errors.Draining
        if hello.stack and hello.stack != self._settings.node.stack and self._cluster.has_ready_stack(hello.stack):
            raise errors.Misrouted
        if not self._store.available:
            raise errors.Unavailable
        waiting = self._connections.handshakes + self._under_way
        # One user may not take all the places and keep everybody else out by never calling ready.
        own = self._connections.handshakes_of(user_id) * USERS_AT_LEAST
        if max(waiting, own) >= limits.handshakes:
            # What is under way now is done first; the later ones come back spread over a growing time.
            raise errors.Busy(retry_after_s=round(0.1 + waiting / limits.handshakes * 0.4, 3))
        if len(self._connections) >= limits.sessions:
            raise errors.Busy("The node has as many sessions as it may have", retry_after_s=5.0)

    async def _begin(self, identity: Identity, connection_id: int, peer: str) -> Admission:
        if self._draining():
            raise errors.Draining
        record = await self._store.create(
            NewSession(
                session_id=self._new_id(),
                user_id=identity.user_id,
                role=_session_role(identity),
                node_id=self._settings.node.node_id,
                stack=self._settings.node.stack,
                connection_id=str(connection_id),
            )
        )
        self._add(identity, record.session_id, 1, connection_id, peer, handover_id="")
        return self._welcome(identity, record.session_id, generation=1, resumed=False, peers=())

    async def _resume(self, identity: Identity, hello: messages.Hello, connection_id: int, peer: str) -> Admission:
        claims = self._tokens.read(hello.recovery_token)
        if claims.user_id != identity.user_id or claims.role != identity.role:
            raise errors.Recovery("mismatch")
        claimed = await self._store.claim(
            Claim(
                session_id=claims.session_id,
                user_id=identity.user_id,
                role=_session_role(identity),
                generation=claims.generation,
                node_id=self._settings.node.node_id,
                stack=self._settings.node.stack,
                connection_id=str(connection_id),
            )
        )
        if isinstance(claimed, errors.Recovery):
            await self._note_refusal(claims.session_id, identity.role, claimed)
            raise claimed
        handover_id = claimed.record.handover_id
        self._add(identity, claims.session_id, claimed.generation, connection_id, peer, handover_id)
        for step in ("connected", "token_ok"):
            self._steps.note(handover_id, claims.session_id, identity.role, step)
        return self._welcome(identity, claims.session_id, claimed.generation, resumed=True, peers=claims.peers)

    async def _note_refusal(self, session_id: str, role: str, refusal: errors.Recovery) -> None:
        """If the session is in a handover, its report shows where it was lost."""
        record = await self._store.session(session_id)
        if record is not None:
            self._steps.note(record.handover_id, session_id, role, "refused", {"reason": refusal.reason})

    def _add(
        self, identity: Identity, session_id: str, generation: int, connection_id: int, peer: str, handover_id: str
    ) -> None:
        at, limits = self._now(), self._settings.limits
        self._connections.add(
            Connection(
                connection_id=connection_id,
                session_id=session_id,
                user_id=identity.user_id,
                role=_session_role(identity),
                generation=generation,
                joined_at=at,
                calls=Bucket.full(limits.calls_per_s, limits.calls_burst, at),
                bytes=Bucket.full(limits.bytes_per_s, limits.bytes_burst, at),
                peer=peer,
                handover_id=handover_id,
            )
        )

    def _welcome(
        self, identity: Identity, session_id: str, generation: int, *, resumed: bool, peers: tuple[str, ...]
    ) -> Admission:
        token = self._tokens.issue(
            RecoveryClaims(
                session_id=session_id,
                user_id=identity.user_id,
                role=identity.role,
                generation=generation,
                peers=peers,
            )
        )
        return Admission(
            identity.user_id,
            identity.role,
            {
                "session_id": session_id,
                "resumed": resumed,
                "generation": generation,
                "recovery_token": token,
                "token_ttl_s": self._settings.recovery.token_ttl_s,
                "node_id": self._settings.node.node_id,
                "stack": self._settings.node.stack,
                "heartbeat_s": self._settings.session.heartbeat_s,
                "protocol": PROTOCOL_VERSION,
            },
        )


def _session_role(identity: Identity) -> Role:
    return "worker" if identity.role == "worker" else "client"
