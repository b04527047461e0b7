"""Hypothesis plays two paired peers on three nodes, with everything that can be lost, repeated or raced, against a model."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import MailboxFull, NotPaired, OutOfOrder, Recovery, Superseded
from sigrouter.stores.records import Backlog, Claim, Claimed, Confirm, Confirmed, NewSession, Paired, Send, Sent
from tests.contract.case import CaseTimes, StoreCase, beside_the_reactor
from tests.contract.peer import Link, Peer, Truth
from tests.contract.recording import ToldEntry, ToldSuperseded

NODES = ("a", "b", "c")
ENDS = st.sampled_from(["client", "worker"])
PAGE = 3


class Conversation(RuleBasedStateMachine):
    """The peers' calls and the nodes' notifications; ``truths`` holds what must be in the store."""

    def __init__(self, case: StoreCase) -> None:
        super().__init__()
        self.case = case
        self.run = case.run
        self.run(case.open())
        self.nodes = {node_id: self.run(case.node(node_id)) for node_id in NODES}
        self.pair_id = ""
        self.restarts_left = case.restarts if case.supports_restart else 0

    def teardown(self) -> None:
        try:
            if hasattr(self, "peers"):
                self.everything_arrives()
        finally:
            self.run(self.case.close())

    # ---- Beginning and end -------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.peers = {"client": Peer("client", "client"), "worker": Peer("worker", "worker")}
        self.meet()

    def meet(self) -> None:
        """Both ends connect anew, to a store that knows neither, and are paired."""
        self.truths = {name: Truth() for name in self.peers}
        for peer in self.peers.values():
            before = peer.position
            store = self.nodes["a"][0]
            self.run(store.create(NewSession(peer.session_id, "user", peer.role, "a", "blue", "x")))
            answer = self.run(store.confirm(self.ready(peer, ("a", 1))))
            assert isinstance(answer, Confirmed)
            assert answer.backlog.reset is bool(before.epoch), "another epoch must show"
            fresh = Peer(peer.session_id, peer.role, link=("a", 1))
            fresh.position = answer.backlog.head
            self.peers[peer.session_id] = fresh
        self.run(self.nodes["a"][0].announce("worker", 1, frozenset(), 1))
        self.pair()

    def everything_arrives(self) -> None:
        """Both ends come back for good and repeat and read all they can: then nothing may be missing."""
        for peer in self.peers.values():
            self.claim(peer.session_id, "b", lose=False)
            self.confirm(peer.session_id, len(peer.claims) - 1, lose=False)
        for _again in range(40):
            for peer in self.peers.values():
                self.resend(peer.session_id)
                self.ack(peer.session_id)
            if not any(peer.unanswered for peer in self.peers.values()):
                break
        for name, peer in self.peers.items():
            assert not peer.unanswered
            assert peer.received == self.truths[name].log
            other = self.other(name)
            mine = [payload for kind, sender, payload in self.peers[other].received if sender == name]
            assert [int(payload.split()[1]) for payload in mine] == sorted(
                {int(payload.split()[1]) for payload in mine}
            )
            assert set(peer.acknowledged) == set(mine), "what was acknowledged arrived, and nothing else"

    # ---- Sending -----------------------------------------------------------------------------------------------------

    @rule(name=ENDS, lose=st.booleans())
    def send(self, name: str, lose: bool) -> None:
        peer = self.peers[name]
        if peer.link:
            self.transmit(peer, peer.write(self.pair_id or "none"), lose=lose)

    @rule(name=ENDS, lose=st.booleans())
    def send_the_second_before_the_first(self, name: str, lose: bool) -> None:
        peer = self.peers[name]
        if peer.link:
            first, second = peer.write(self.pair_id or "none"), peer.write(self.pair_id or "none")
            self.transmit(peer, second, lose=lose)
            self.transmit(peer, first, lose=lose)

    @rule(name=ENDS)
    def resend(self, name: str) -> None:
        peer = self.peers[name]
        for number in sorted(peer.unanswered) if peer.link else ():
            self.transmit(peer, number, lose=False)

    @precondition(lambda self: any(peer.older for peer in self.peers.values()))
    @rule(data=st.data())
    def an_older_connection_can_do_nothing(self, data: Any) -> None:
        peer = data.draw(st.sampled_from([peer for peer in self.peers.values() if peer.older]))
        node_id, generation = data.draw(st.sampled_from(peer.older))
        store = self.nodes[node_id][0]
        message = Send(peer.session_id, generation, self.pair_id, "", "message", "late", peer.next_number, peer.acked)
        assert isinstance(self.run(store.send(message)), Superseded)
        assert self.run(store.ack(peer.session_id, generation, peer.position)) is False
        assert self.run(store.lost(peer.session_id, generation)) is False

    def transmit(self, peer: Peer, number: int, *, lose: bool) -> None:
        assert peer.link
        payload, pair_id = peer.unanswered[number]
        send = Send(peer.session_id, peer.link[1], pair_id, "", "message", payload, number, peer.acked)
        answer = self.run(self.nodes[peer.link[0]][0].send(send))
        self.expect(send, answer)
        self.pump()
        if not lose and isinstance(answer, Sent | NotPaired):
            del peer.unanswered[number]
            if isinstance(answer, Sent):
                peer.acknowledged.append(payload)

    def expect(self, send: Send, answer: Any) -> None:
        """The answer is the one that the rules of numbers, pairs and bounds give; follow it."""
        sender, other = self.truths[send.session_id], self.other(send.session_id)
        reader, number = self.truths[other], send.number
        assert number is not None
        sender.acked = max(sender.acked, send.acked)
        if number <= sender.last_number:
            assert isinstance(answer, Sent)
            assert answer.duplicate
            assert answer.position.seq == sender.taken[number]
        elif number != sender.last_number + 1 and number - 1 > sender.acked:
            assert isinstance(answer, OutOfOrder)
            assert answer.fields == {"expected": sender.last_number + 1}
        elif send.pair_id != self.pair_id:
            assert isinstance(answer, NotPaired)
        elif len(reader.log) - reader.forgotten >= self.case.times.mailbox_entries:
            assert isinstance(answer, MailboxFull)
        else:
            assert isinstance(answer, Sent)
            assert not answer.duplicate
            reader.log.append(("message", send.session_id, send.payload))
            assert answer.position.seq == len(reader.log)
            sender.taken[number], sender.last_number = len(reader.log), number

    # ---- Reading -----------------------------------------------------------------------------------------------------

    @rule(name=ENDS)
    def ack(self, name: str) -> None:
        peer, truth = self.peers[name], self.truths[name]
        if peer.link:
            assert self.run(self.nodes[peer.link[0]][0].ack(name, peer.link[1], peer.position)) is True
            truth.forgotten = max(truth.forgotten, peer.position.seq)

    def pump(self) -> None:
        """The nodes pass on what they were told to the connections that they have."""
        self.run(self.case.settle())
        for node_id, (_, listener) in self.nodes.items():
            for told in listener.of(ToldEntry):
                peer = self.peers[told.channel.removeprefix("session:")]
                if peer.link and peer.link[0] == node_id:
                    peer.receive(told.position.epoch, told.entry)
            listener.clear()

    def read_on(self, peer: Peer, backlog: Backlog) -> None:
        """All pages up to the head."""
        peer.catch_up(backlog)
        while backlog.more:
            page = self.run(self.nodes["c"][0].read(f"session:{peer.session_id}", peer.position, PAGE))
            assert isinstance(page, Backlog)
            assert page.entries
            backlog = page
            peer.catch_up(backlog)
        assert peer.position.seq == len(self.truths[peer.session_id].log)

    # ---- Connections -------------------------------------------------------------------------------------------------

    @rule(name=ENDS)
    def cut(self, name: str) -> None:
        peer = self.peers[name]
        if peer.link:
            peer.cut.append(peer.link)
            peer.link = None

    @rule(name=ENDS)
    def the_node_notices_the_loss(self, name: str) -> None:
        peer, truth = self.peers[name], self.truths[name]
        if peer.cut:
            node_id, generation = peer.cut.pop()
            was_its = truth.connected and generation == truth.confirmed
            assert self.run(self.nodes[node_id][0].lost(name, generation)) is was_its
            truth.connected = truth.connected and not was_its

    @rule(name=ENDS, node_id=st.sampled_from(NODES), lose=st.booleans())
    def claim(self, name: str, node_id: str, lose: bool) -> None:
        """A client that kept its tokens since the last answered ``ready`` always has one that works."""
        peer, truth = self.peers[name], self.truths[name]
        for token in sorted(peer.tokens, reverse=True):
            answer = self.run(
                self.nodes[node_id][0].claim(Claim(name, "user", peer.role, token, node_id, "green", "y"))
            )
            if token in (truth.confirmed, truth.claimed):
                break
            assert isinstance(answer, Recovery)
            assert answer.reason == "superseded"
        assert isinstance(answer, Claimed)
        truth.claimed += 1
        assert answer.generation == truth.claimed
        if not lose:
            peer.tokens.append(answer.generation)
            peer.claims.append((node_id, answer.generation))

    @precondition(lambda self: any(peer.claims for peer in self.peers.values()))
    @rule(data=st.data(), lose=st.booleans())
    def confirm_any(self, data: Any, lose: bool) -> None:
        peer = data.draw(st.sampled_from([peer for peer in self.peers.values() if peer.claims]))
        self.confirm(peer.session_id, data.draw(st.integers(0, len(peer.claims) - 1)), lose=lose)

    def confirm(self, name: str, index: int, *, lose: bool) -> None:
        peer, truth = self.peers[name], self.truths[name]
        link = peer.claims[index]
        answer = self.run(self.nodes[link[0]][0].confirm(self.ready(peer, link)))
        if link[1] not in (truth.confirmed, truth.claimed):
            assert isinstance(answer, Superseded)
            del peer.claims[index]
            return
        assert isinstance(answer, Confirmed)
        self.taken_over(peer, link, answer)
        if not lose:
            del peer.claims[index]
            peer.tokens = [token for token in peer.tokens if token >= link[1]]
            self.read_on(peer, answer.backlog)
            peer.link = link
        self.pump()

    def taken_over(self, peer: Peer, link: Link, answer: Confirmed) -> None:
        truth = self.truths[peer.session_id]
        self.run(self.case.settle())
        if link[1] != truth.confirmed:
            assert answer.previous.generation == truth.confirmed
            if truth.connected:
                told = self.nodes[answer.previous.node_id][1].of(ToldSuperseded)
                assert ToldSuperseded(peer.session_id, link[1], link[0]) in told
            if peer.link:
                peer.older.append(peer.link)
            peer.link = None
        truth.confirmed, truth.connected = link[1], True
        truth.forgotten = max(truth.forgotten, peer.position.seq)
        assert answer.last_number == truth.last_number
        assert answer.backlog.head.seq == len(truth.log)
        assert len(answer.backlog.entries) <= PAGE
        assert [view.pair_id for view in answer.pairs] == [self.pair_id] * bool(self.pair_id)

    def ready(self, peer: Peer, link: Link) -> Confirm:
        return Confirm(peer.session_id, link[1], link[0], "green", "z", peer.position, PAGE)

    # ---- Pairs and restarts ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pair_id)
    @rule(name=ENDS)
    def release(self, name: str) -> None:
        assert self.run(self.nodes["c"][0].release(name, self.pair_id)) is True
        self.truths[self.other(name)].log.append(("pair", "", "released"))
        self.pair_id = ""
        self.pump()

    @precondition(lambda self: not self.pair_id and self.truths["worker"].connected)
    @rule()
    def pair(self) -> None:
        generation = self.truths["client"].confirmed
        answer = self.run(self.nodes["b"][0].request("client", generation, frozenset(), 60.0))
        assert isinstance(answer, Paired)
        self.pair_id = answer.pair_id
        for truth in self.truths.values():
            truth.log.append(("pair", "", "paired"))
        self.pump()

    @precondition(lambda self: self.restarts_left)
    @rule()
    def the_store_restarts_with_its_data(self) -> None:
        self.restarts_left -= 1
        self.run(self.case.restart(keep_data=True))
        self.pump()
        for peer in self.peers.values():
            if peer.link:
                backlog = self.run(self.nodes[peer.link[0]][0].read(f"session:{peer.session_id}", peer.position, PAGE))
                assert isinstance(backlog, Backlog)
                self.read_on(peer, backlog)

    @precondition(lambda self: self.restarts_left)
    @rule()
    def the_store_restarts_without_its_data(self) -> None:
        self.restarts_left -= 1
        self.run(self.case.restart(keep_data=False))
        self.pump()
        for name, peer in self.peers.items():
            for token in peer.tokens:
                answer = self.run(self.nodes["a"][0].claim(Claim(name, "user", peer.role, token, "a", "green", "y")))
                assert isinstance(answer, Recovery)
                assert answer.reason == "unknown"
        self.pair_id = ""
        self.meet()

    @invariant()
    def at_most_one_connection_has_the_session(self) -> None:
        if not hasattr(self, "peers"):
            return
        for name, truth in self.truths.items():
            record = self.run(self.nodes["a"][0].session(name))
            assert record is not None
            assert (record.generation, record.claimed) == (truth.confirmed, truth.claimed)
            assert record.state == ("connected" if truth.connected else "away")
            here = [
                node_id
                for node_id in NODES
                for one in self.run(self.nodes[node_id][0].sessions_of(node_id))
                if one.session_id == name
            ]
            assert here == [record.node_id] * truth.connected

    def other(self, name: str) -> str:
        return "worker" if name == "client" else "client"


@pytest.mark.timeout(240)
@ensureDeferred
async def test_whatever_is_lost_repeated_or_raced_every_acknowledged_message_arrives_once_and_in_order(
    case_type: type[StoreCase],
) -> None:
    class OnThisStore(Conversation):
        def __init__(self) -> None:
            super().__init__(case_type(CaseTimes()))

    def play() -> None:
        run_state_machine_as_test(
            OnThisStore,
            settings=settings(
                max_examples=case_type.examples,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    await beside_the_reactor(play)
