"""Whatever the network and the server do: every accepted send arrives once and in order, both ways, and it goes on."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sigrouter.client.events import Reset, SessionLost, Superseded
from sigrouter.protocol import errors, uris
from tests.unit.client.model_server import Connection, World

EXAMPLES = int(os.environ.get("SIGROUTER_TEST_EXAMPLES", "60"))
PICK = st.integers(0, 5)


class Turbulence(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.sends: dict[int, int] = {}
        self.published = 0
        self.start = self.world.command()
        self.world.perform(self.world.core.start(self.start, self.world.now))
        self.world.advance()

    # ---- what the application and its peer do --------------------------------------------------------------------

    @rule(count=st.integers(1, 12))
    def the_application_sends(self, count: int) -> None:
        for _ in range(count):
            command = self.world.command()
            self.sends[command] = len(self.sends) + 1
            self.world.perform(self.world.core.send(command, self.sends[command], None, self.world.now))

    @precondition(lambda self: self.world.server.confirmed)
    @rule(count=st.integers(1, 12))
    def the_peer_sends(self, count: int) -> None:
        for _ in range(count):
            self.published += 1
            self.world.server.publish(self.published)

    @rule(count=st.integers(1, 8))
    def the_application_reads(self, count: int) -> None:
        self.world.read(count)

    # ---- what usually happens ------------------------------------------------------------------------------------

    @rule()
    def a_ticket_is_given(self) -> None:
        self.world.give_ticket()

    @rule(pick=PICK, count=st.integers(1, 10))
    def the_server_works(self, pick: int, count: int) -> None:
        for _ in range(count):
            self._with(pick, self.world.serve_one)

    @rule(pick=PICK, count=st.integers(1, 10))
    def the_client_hears(self, pick: int, count: int) -> None:
        for _ in range(count):
            self._with(pick, self.world.hear_one)

    @rule(chance=st.floats(0, 0.999))
    def time_passes(self, chance: float) -> None:
        self.world.chance = chance
        self.world.advance()

    @rule()
    def everything_settles(self) -> None:
        self.world.settle()

    # ---- what goes wrong -----------------------------------------------------------------------------------------

    @rule()
    def a_node_sends_its_sessions_away(self) -> None:
        self.world.server.goaway()

    @rule(pick=PICK)
    def a_connection_is_cut(self, pick: int) -> None:
        self._with(pick, self.world.cut)

    @rule()
    def a_ticket_is_not_to_be_had(self) -> None:
        if self.world.server.confirmed:
            self.world.refuse_ticket()

    @rule()
    def the_fenced_are_told(self) -> None:
        self.world.server.close_fenced()

    @rule(pick=PICK, which=PICK)
    def a_message_to_the_client_is_swallowed(self, pick: int, which: int) -> None:
        def swallow(connection: Connection) -> None:
            if len(connection.to_client) > which and connection.to_client[which][0] != "closed":
                del connection.to_client[which]

        self._with(pick, swallow)

    @rule(pick=PICK)
    def an_event_is_repeated(self, pick: int) -> None:
        def repeat(connection: Connection) -> None:
            if connection is self.world.server.holder and self.world.server.log:
                entry = self.world.server.log[-1 - pick % len(self.world.server.log)]
                connection.answer("event", uris.EVENT_MESSAGE, entry)

        self._with(0, repeat)
        self._with(1, repeat)

    @rule(
        refusal=st.sampled_from([errors.Busy, errors.Draining, errors.Misrouted, errors.Unavailable]),
        count=st.integers(1, 3),
    )
    def the_next_connections_are_refused(self, refusal: type[errors.SigrouterError], count: int) -> None:
        self.world.server.refuse_hello.extend(refusal() for _ in range(count))

    @rule(
        refusal=st.sampled_from([errors.Unavailable, errors.MailboxFull, errors.RateLimited]),
        count=st.integers(1, 3),
    )
    def the_next_calls_are_refused(self, refusal: type[errors.SigrouterError], count: int) -> None:
        self.world.server.refuse_call.extend(refusal() for _ in range(count))

    @rule()
    def one_send_is_refused_for_good(self) -> None:
        server = self.world.server
        holder = server.holder
        if holder is None or not holder.to_server or server.refuse_call:
            return
        match holder.to_server[0]:
            case ("call", _, uris.PAIR_SEND, {"number": int(number)}) if number > server.last_number:
                server.refuse_call.append(errors.NotPaired())
                self.world.serve_one(holder)

    # ---- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def no_session_is_lost_and_nobody_fights(self) -> None:
        if hasattr(self, "world"):
            assert not [event for event in self.world.events if isinstance(event, SessionLost | Superseded | Reset)]
            assert self.world.core.session.running

    @invariant()
    def what_was_received_is_a_prefix_of_what_was_published(self) -> None:
        if hasattr(self, "world"):
            received = self.world.received
            assert received == list(range(1, len(received) + 1))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.server.refuse_hello.clear()
        world.server.refuse_call.clear()
        for _ in range(200):
            world.settle()
            if self._complete():
                break
            world.advance()
        assert self._complete(), (world.done, world.received, self.published, world.core.session.dialer.phase)
        for _ in range(10):  # a handover or a superseded connection may still be under way
            world.advance()
            world.settle()
        assert len(world.living) == 1
        assert world.core.session.active is not None
        assert world.living[0].handle == world.core.session.active.handle
        answers = {self.sends[command]: answer for command, answer in world.done.items() if command in self.sends}
        accepted = [number for number, answer in sorted(answers.items()) if not isinstance(answer, Exception)]
        assert all(isinstance(answer, errors.NotPaired) for answer in answers.values() if isinstance(answer, Exception))
        # A message whose refusal was answered was never taken; a refusal that got lost is followed by a repetition.
        assert world.server.taken == accepted
        assert world.received == list(range(1, self.published + 1))

    def _complete(self) -> bool:
        world = self.world
        return (
            self.start in world.done
            and len(world.done) == len(self.sends) + 1
            and len(world.received) == self.published
            and world.core.session.active is not None
        )

    def _with(self, pick: int, act: Any) -> None:
        living = [each for each in self.world.connections.values() if each.to_server or each.to_client or not each.gone]
        if living:
            act(living[pick % len(living)])


Turbulence.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestTurbulence = Turbulence.TestCase


def test_the_machine_would_notice_a_client_that_delivers_twice() -> None:
    """The test itself is tested: without the client's memory of positions the invariant breaks."""
    machine = Turbulence()
    machine.begin()
    machine.everything_settles()
    machine.the_peer_sends(count=2)
    machine.everything_settles()
    machine.what_was_received_is_a_prefix_of_what_was_published()
    machine.world.core.session.positions._logs["mailbox"].seq = 0
    machine.world.server.holder.answer("event", uris.EVENT_MESSAGE, machine.world.server.log[0])
    machine.everything_settles()
    with pytest.raises(AssertionError):
        machine.what_was_received_is_a_prefix_of_what_was_published()
