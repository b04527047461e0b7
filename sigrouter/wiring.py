"""The only place that chooses an implementation: builds the pod that all components of a process share."""

import random
import secrets
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from sigrouter.services.admin_ticket import AdminTicket
from sigrouter.services.admission import Admissions
from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.background import Background
from sigrouter.services.cluster import Cluster
from sigrouter.services.connections import Connections
from sigrouter.services.delivery import Delivery
from sigrouter.services.development_keys import development_keys
from sigrouter.services.drain import DrainService
from sigrouter.services.drain_journal import DrainJournal
from sigrouter.services.housekeeping import Housekeeping
from sigrouter.services.local_peers import LocalPeers
from sigrouter.services.messaging import Messaging
from sigrouter.services.pairing import Pairing
from sigrouter.services.pod import Pod
from sigrouter.services.recovery import RecoveryTokens
from sigrouter.services.sessions import Sessions
from sigrouter.services.settings_source import read_settings
from sigrouter.services.steps import Steps
from sigrouter.settings import Settings
from sigrouter.stores.interface import Store
from sigrouter.stores.memory import MemoryBackend, MemoryStore
from sigrouter.stores.redis import RedisStore

_pods: list[Pod] = []


def pod() -> Pod:
    """The pod of this process, made for its first caller from the settings of the environment."""
    if not _pods:
        from twisted.internet import reactor  # noqa: PLC0415 - importing it installs one

        _pods.append(build_pod(read_settings(), reactor))
    return _pods[0]


@frozen
class Times:
    """The settings that a store needs (:class:`~sigrouter.stores.interface.StoreTimes`)."""

    recovery_window_s: float
    handshake_s: float
    record_ttl_s: float
    tombstone_ttl_s: float
    node_lease_s: float
    mailbox_entries: int
    room_entries: int
    handover_ttl_s: float

    @classmethod
    def of(cls, settings: Settings) -> "Times":
        """A tombstone lives as long as a token could: until then an ended session is ``revoked``, not ``unknown``."""
        return cls(
            recovery_window_s=settings.recovery.window_s,
            handshake_s=settings.session.handshake_s,
            record_ttl_s=settings.store.record_ttl_s,
            tombstone_ttl_s=settings.recovery.token_ttl_s,
            node_lease_s=settings.store.node_lease_s,
            mailbox_entries=settings.store.mailbox_entries,
            room_entries=settings.store.room_entries,
            handover_ttl_s=settings.store.handover_ttl_s,
        )


def build_store(settings: Settings, reactor: Any) -> Store:
    """The store that the settings name."""
    times = Times.of(settings)
    if settings.store.kind == "redis":
        return RedisStore(settings.store, times, reactor, None, _new_id)
    return MemoryStore(MemoryBackend(), times, reactor.seconds, _new_id)


def build_pod(settings: Settings, reactor: Any, store: Store | None = None) -> Pod:
    """A pod, not yet started; ``store`` replaces the one that the settings name (pods in one process may share it)."""
    keys = development_keys(settings.node.state_dir) if settings.development else None
    now, background = reactor.seconds, Background()
    store = store or build_store(settings, reactor)
    verifier = JwtVerifier.from_settings(settings.auth, keys.public_keys if keys else None, now)
    tokens = RecoveryTokens.from_settings(settings.recovery, reactor, keys.recovery_secret if keys else None)
    connections = Connections()
    cluster = Cluster(store, settings.node.node_id)
    delivery = Delivery(connections, store, settings.limits.backlog_entries, background.start)
    journal = DrainJournal(store, reactor, random.random, Logger())
    steps = Steps(journal, settings.node.node_id, now)
    peers = LocalPeers(connections, delivery)
    drain = DrainService(
        store=store,
        connections=peers,
        settings=settings.drain,
        node_id=settings.node.node_id,
        clock=reactor,
        new_id=_new_id,
        stack=settings.node.stack,
        chance=random.random,
        announce=lambda: housekeeping.renew_lease(),  # noqa: PLW0108 - made further down
    )
    sessions = Sessions(
        settings=settings,
        store=store,
        tokens=tokens,
        connections=connections,
        delivery=delivery,
        steps=steps,
        clock=reactor,
        start=background.start,
        on_arrived=drain.on_arrived,
        on_lost=drain.on_connection_lost,
    )
    housekeeping = Housekeeping(
        settings=settings,
        store=store,
        connections=connections,
        delivery=delivery,
        sessions=sessions,
        cluster=cluster,
        clock=reactor,
        started_at=now(),
    )
    admissions = Admissions(
        settings=settings,
        verifier=verifier,
        tokens=tokens,
        store=store,
        connections=connections,
        cluster=cluster,
        steps=steps,
        draining=lambda: drain.draining,
        now=now,
        new_id=_new_id,
    )
    made = Pod(
        settings=settings,
        store=store,
        clock=reactor,
        verifier=verifier,
        admin_ticket=AdminTicket.write(Path(settings.node.state_dir), settings.node.admin_port),
        background=background,
        connections=connections,
        cluster=cluster,
        delivery=delivery,
        steps=steps,
        sessions=sessions,
        messaging=Messaging(store, settings.limits, now),
        pairing=Pairing(store, settings.node.node_id),
        admissions=admissions,
        drain=drain,
        housekeeping=housekeeping,
        alone=isinstance(store, MemoryStore),
    )
    housekeeping.state = made.state
    return made


def _new_id() -> str:
    """64 random bits: unguessable enough for a name, which a session id is; its token is the secret."""
    return secrets.token_hex(8)
