"""Empties the node: runs the drain machine on the reactor, and does with store and connections what it asks for.

The machine decides (:mod:`sigrouter.machines.drain`); this service hears, does, and writes down. A store that is away
slows a drain but never stops or fails it: what is known already is enough to send the sessions away, the rest waits for
its deadline, and the steps are written when the store is back.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Any, Final, assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sigrouter.machines import drain as machine
from sigrouter.machines import drain_events as events
from sigrouter.machines.backoff import next_delay
from sigrouter.protocol.errors import SigrouterError
from sigrouter.services.drain_interface import Connections, DrainReport, LocalSession, Outcome
from sigrouter.services.drain_journal import DrainJournal
from sigrouter.services.drain_peers import DrainPeers
from sigrouter.services.drain_targets import targets
from sigrouter.settings.model import DrainSettings
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Step

__all__ = ["Connections", "DrainReport", "DrainService", "LocalSession"]

LOOK_AGAIN_S: Final = 2.0
SHORTEST_SLEEP_S: Final = 0.001
JOURNAL_PATIENCE_S: Final = 2.0
RETRY_BASE_S: Final = 0.1
RETRY_CAP_S: Final = 1.0


class DrainService:
    """See the module. ``draining`` is true from the call of ``drain`` until the process ends or ``undrain``.

    ``new_id`` makes handover ids, whose chance also seeds the jitter. ``chance`` gives numbers in [0, 1) for retries.
    ``announce`` tells the other nodes this node's new state (``draining`` has it); it may raise a
    :class:`~sigrouter.protocol.errors.SigrouterError` and is then tried again.
    """

    def __init__(
        self,
        store: Store,
        connections: Connections,
        settings: DrainSettings,
        node_id: str,
        clock: IReactorTime,
        new_id: Callable[[], str],
        stack: str = "",
        log: Logger | None = None,
        chance: Callable[[], float] = lambda: 0.5,
        announce: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._connections = connections
        self._settings = settings
        self._node_id = node_id
        self._stack = stack
        self._clock = clock
        self._new_id = new_id
        self._log = log = log or Logger()
        self._chance = chance
        self._announce = announce
        self._journal = DrainJournal(store, clock, chance, log)
        self._peers = DrainPeers(
            store, node_id, log, learned=self._on_learned, moved=self._on_moved, over=self._on_over
        )
        self._state = machine.Drain()
        self._reason = ""
        self._began_at = 0.0
        self._events: deque[events.DrainEvent] = deque()
        self._stepping = False
        self._wakeup: IDelayedCall | None = None
        self._run_id = ""
        self._learned: set[str] = set()
        self._looking = False
        self._look_again = False
        self._next_look: IDelayedCall | None = None
        self._waiting: list[Deferred[DrainReport]] = []
        self._report: DrainReport | None = None

    # ---- what operators and the process do -------------------------------------------------------

    @property
    def draining(self) -> bool:
        """Whether this node takes no new sessions; stays true when the drain is done."""
        return self._state.phase != "serving"

    @property
    def phase(self) -> machine.Phase:
        """Where the drain is."""
        return self._state.phase

    @property
    def handover_id(self) -> str:
        """The running or finished handover, empty while serving."""
        return self._run_id if self.draining else ""

    async def drain(self, reason: str, budget_s: float) -> DrainReport:
        """Hand all sessions over within ``budget_s`` seconds; never raises.

        The drain runs once: whoever calls while it runs, or when it is done, gets that run's report. But sessions that
        came back after it was done, since no other node took them, are handed over in a run of their own.
        """
        if self._report is not None:
            if not any(True for _ in self._connections.sessions()):
                return self._report
            self._report, self._state = None, machine.Drain()
        waiting: Deferred[DrainReport] = Deferred()
        self._waiting.append(waiting)
        if not self.draining:
            self._begin(reason, budget_s)
        return await waiting

    def undrain(self) -> bool:
        """Serve again. False: there is no drain, or it is too late."""
        if not self.draining:
            return False
        self._hear(events.Undrain(self._clock.seconds()))
        return not self.draining

    # ---- what the store's notifications and the connections tell ---------------------------------

    def on_arrived(self, session_id: str) -> None:
        """A session was confirmed on this node; only of interest while it drains."""
        session = self._connections.session(session_id)
        if session is not None and self.draining:
            self._hear(events.SessionArrived(self._clock.seconds(), self._resident(session)))
            self._look()

    def on_superseded(self, session_id: str, generation: int, node_id: str) -> None:
        """The session was confirmed with ``generation`` on ``node_id``."""
        session = self._connections.session(session_id)
        if session is None or session.generation < generation:
            self._on_moved(session_id, node_id)

    def on_peer_ready(self, session_id: str, peer_session_id: str, peer_node_id: str) -> None:
        """The peer of a local session was confirmed on ``peer_node_id``."""
        self._hear(events.PeerReady(self._clock.seconds(), session_id, peer_session_id, peer_node_id))

    def on_ended(self, session_id: str, reason: str = "") -> None:
        """A session has ended."""
        self._on_over(session_id, reason)

    def on_connection_lost(self, session_id: str) -> None:
        """A connection of the session is gone; perhaps it has another one here."""
        if self._connections.session(session_id) is None:
            self._hear(events.ConnectionLost(self._clock.seconds(), session_id))

    def on_nodes_changed(self) -> None:
        """A node appeared, left, or changed its state."""
        if self.draining:
            self._look()

    def on_interrupted(self) -> None:
        """Notifications may have been missed."""
        if self.draining:
            self._look()

    # ---- the run ---------------------------------------------------------------------------------

    def _begin(self, reason: str, budget_s: float) -> None:
        self._reason = reason
        self._run_id = self._new_id()
        self._began_at = self._clock.seconds()
        self._learned.clear()
        settings = self._settings
        budget = events.Budget(
            budget_s=budget_s,
            settle_s=settings.settle_s,
            pair_deadline_s=settings.pair_deadline_s,
            move_timeout_s=settings.move_timeout_s,
            target_wait_s=settings.target_wait_s,
            window_initial=settings.window_initial,
            window_max=settings.window_max,
        )
        residents = tuple(map(self._resident, self._connections.sessions()))
        node_id, run_id = self._node_id, self._run_id
        self._hear(events.Start(self._began_at, node_id, run_id, reason, budget, residents, seed=run_id))
        self._look()

    def _resident(self, session: LocalSession) -> events.Resident:
        """A session for the machine. That no peers are known here proves nothing, so then the store is asked first."""
        here = {peer: self._node_id for peer in session.peers if self._connections.session(peer) is not None}
        peers = {peer: here.get(peer, "") for peer in session.peers}
        return events.Resident(session.session_id, session.role, peers or None)

    def _hear(self, event: events.DrainEvent) -> None:
        """Step the machine. Doing an effect can cause the next event; that one then waits for its turn."""
        self._events.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._events:
                self._state, effects = machine.step(self._state, self._events.popleft())
                self._mark(effects)
                for effect in effects:
                    self._do(effect)
        finally:
            self._stepping = False
        self._journal.flush()
        self._sleep()

    def _do(self, effect: events.DrainEffect) -> None:
        try:
            self._try(effect)
        except Exception:  # noqa: BLE001 - One session's trouble must not keep the others from moving.
            self._log.failure("the drain could not do {effect}", effect=type(effect).__name__)

    def _try(self, effect: events.DrainEffect) -> None:
        match effect:
            case events.AnnounceDraining():
                self._tell_nodes()
            case events.WarnNoTarget(waited_s):
                self._log.warn("no other node is ready since {waited_s:.0f} s; nobody is sent away", waited_s=waited_s)
            case events.SendGoaway():
                self._connections.send_goaway(effect.session_id, self._goaway(effect))
            case events.CloseConnection(session_id, reason):
                self._connections.close(session_id, reason)
            case events.Record(session_id, role, name, at, detail):
                step = Step(session_id, role, name, int(at * 1000), self._node_id, detail)
                self._journal.record(self._run_id, step)
            case events.Finish(ends):
                Deferred.fromCoroutine(self._finish("drained", ends))
            case events.ResumeServing(ends):
                self._tell_nodes()
                Deferred.fromCoroutine(self._finish("undrained", ends))
            case _:
                assert_never(effect)

    def _mark(self, effects: tuple[events.DrainEffect, ...]) -> None:
        """Have the marks on their way before the sessions are: their next node looks for them."""
        for effect in effects:
            if isinstance(effect, events.SendGoaway):
                self._journal.mark(self._run_id, effect.session_id)
        self._journal.flush()

    def _goaway(self, goaway: events.SendGoaway) -> dict[str, Any]:
        return {
            "reason": self._reason,
            "handover_id": self._run_id,
            "deadline_ms": goaway.deadline_ms,
            "reconnect_after_ms": goaway.reconnect_after_ms,
            "stack": goaway.stack,
            "url": goaway.url,
            "peer": goaway.peer,
        }

    def _sleep(self) -> None:
        """Be woken when the machine wants it; too early is harmless, so an earlier call is left as it is."""
        due = machine.next_wakeup(self._state)
        pending = self._wakeup is not None and self._wakeup.active()
        if self._wakeup is not None and pending and (due is None or self._wakeup.getTime() > due):
            self._wakeup.cancel()
            pending = False
        if due is not None and due < inf and not pending:
            self._wakeup = self._clock.callLater(max(SHORTEST_SLEEP_S, due - self._clock.seconds()), self._wake)

    def _wake(self) -> None:
        self._hear(events.Tick(self._clock.seconds()))

    async def _finish(self, outcome: Outcome, ends: Mapping[str, int]) -> None:
        """Give everybody who waits the report. A drain that is done waits a little for its last steps to be written."""
        duration_s = self._clock.seconds() - self._began_at
        run_id, reason, waiting = self._run_id, self._reason, self._waiting
        if self._next_look is not None and self._next_look.active():
            self._next_look.cancel()
        if outcome == "drained":
            await self._journal.written(JOURNAL_PATIENCE_S)
            if self._journal.unwritten:
                self._log.warn("{count} steps of the handover were not written", count=self._journal.unwritten)
        report = DrainReport(run_id, reason, outcome, dict(ends), duration_s, self._journal.unwritten)
        if outcome == "drained":
            self._report = report
        self._waiting = []
        for one in waiting:
            one.callback(report)

    def _tell_nodes(self) -> None:
        Deferred.fromCoroutine(self._tell_nodes_now(self._run_id, self.draining))

    async def _tell_nodes_now(self, run_id: str, draining: bool) -> None:  # noqa: FBT001 - the state to tell
        """Tell the others until it succeeds or is no longer true; the next lease would say the same, only later."""
        attempt = 0
        while self._announce is not None and (run_id, draining) == (self._run_id, self.draining):
            try:
                return await self._announce()
            except SigrouterError:
                await self._pause(next_delay(attempt, 0.5 + self._chance() / 2, RETRY_BASE_S, RETRY_CAP_S))
                attempt += 1
            except Exception:  # noqa: BLE001 - The drain goes on without.
                self._log.failure("the node's state cannot be announced")
                return None
        return None

    async def _pause(self, seconds: float) -> None:
        over: Deferred[None] = Deferred()
        self._clock.callLater(seconds, over.callback, None)
        await over

    # ---- what the store knows --------------------------------------------------------------------

    def _look(self) -> None:
        """Ask the store what the drain waits for, now and again from time to time; one round at a time."""
        if self._looking:
            self._look_again = True
            return
        self._looking = True
        Deferred.fromCoroutine(self._ask())

    async def _ask(self) -> None:
        self._look_again = False
        try:
            self._hear(
                events.TargetsChanged(
                    self._clock.seconds(),
                    targets(await self._store.nodes(), self._node_id, self._stack),
                )
            )
        except SigrouterError:
            pass  # What was known of the nodes holds until the store answers again.
        except Exception:  # noqa: BLE001 - The next round may do better, and the deadline ends it all.
            self._log.failure("the list of nodes cannot be read")
        for session in tuple(self._connections.sessions()):  # whose handshake was under way when the drain began
            if session.session_id not in self._state.ledger.open:
                self._hear(events.SessionArrived(self._clock.seconds(), self._resident(session)))
        await self._peers.learn(self._unlearned())
        await self._peers.check(self._doubtful())
        self._looking = False
        if self.draining and self._state.phase not in ("closing", "done"):
            if self._next_look is not None and self._next_look.active():
                self._next_look.cancel()
            delay = SHORTEST_SLEEP_S if self._look_again else LOOK_AGAIN_S
            self._next_look = self._clock.callLater(delay, self._look)

    def _unlearned(self) -> list[str]:
        """Clients that stay because the store has not been asked about them, or has not answered."""
        ledger = self._state.ledger
        return [
            session_id
            for session_id in ledger.workers_of
            if session_id not in self._learned and ledger.moves[session_id].phase == "staying"
        ]

    def _doubtful(self) -> list[str]:
        """Sessions that should have moved by now, and the workers that clients wait for."""
        ledger = self._state.ledger
        moving = [session_id for session_id, move in ledger.moves.items() if move.phase in ("told", "away")]
        return moving + [worker_id for worker_id in ledger.clients_of if worker_id not in ledger.moves]

    def _on_learned(self, session_id: str, peers: Mapping[str, str]) -> None:
        self._learned.add(session_id)
        self._hear(events.PeersLearned(self._clock.seconds(), session_id, peers))

    def _on_moved(self, session_id: str, node_id: str) -> None:
        self._hear(events.SessionConfirmedElsewhere(self._clock.seconds(), session_id, node_id))

    def _on_over(self, session_id: str, reason: str) -> None:
        self._hear(events.SessionEnded(self._clock.seconds(), session_id, reason))
