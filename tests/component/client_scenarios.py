"""What both front ends of the SDK must do against a real node; asyncio's run in a process of their own.

Autobahn serves one framework in a process, and pytest's has Twisted's reactor. Run one by hand:
``python -m tests.component.client_scenarios NAME URL [TICKET …]``.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from attrs import frozen

from sigrouter.client.base import BaseClient, WorkerCommands
from sigrouter.client.errors import AuthenticationFailed, NoWorker, PairingCancelled, Stopped
from sigrouter.client.events import Disconnected, Message, PairChanged, Resumed, SessionStarted
from sigrouter.client.options import Options
from sigrouter.protocol import errors, uris

MESSAGES = 60


@frozen
class Framework:
    """One front end. ``together``: await several coroutines at once."""

    client: Callable[..., BaseClient]
    worker: Callable[..., WorkerCommands]
    together: Callable[..., Awaitable[Any]]


@frozen
class Node:
    """A real node, and JWTs that it takes."""

    url: str
    client_ticket: str
    worker_ticket: str


Scenario = Callable[[Framework, Node], Coroutine[Any, Any, None]]
QUICK = Options(base_s=0.05, cap_s=0.5)


def cut(client: BaseClient) -> None:
    """Reset the client's sockets, as a crash or a lost network does."""
    for wire in list(client._wires.values()):
        wire._transport.dropConnection(abort=True)


async def paired(framework: Framework, node: Node, ability: str, **options: Any) -> tuple[BaseClient, WorkerCommands]:
    worker = framework.worker(node.url, lambda: node.worker_ticket, options=QUICK, **options)
    await worker.start()
    await worker.announce([ability], 1)
    client = framework.client(node.url, lambda: node.client_ticket, options=QUICK, **options)
    await client.start()
    pair = await client.request_pair([ability], deadline_s=10)
    assert pair.peer_session_id == worker.session_id
    assert client.pairs[pair.pair_id].peer_session_id == worker.session_id
    return client, worker


async def messages(client: BaseClient, count: int) -> list[Any]:
    """The payloads of the next messages."""
    payloads: list[Any] = []
    async for event in client.events():
        if isinstance(event, Message):
            payloads.append(event.payload)
            if len(payloads) == count:
                break
    return payloads


async def first(client: BaseClient, kind: type[Any]) -> Any:
    """The next event of a kind."""
    async for event in client.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} before the end")


async def messages_arrive_once_and_in_order_both_ways(framework: Framework, node: Node) -> None:
    for serializer in ("json", "cbor", "msgpack"):
        client, worker = await paired(framework, node, serializer, serializer=serializer)
        numbers = list(range(MESSAGES))
        to_worker = framework.together(*(client.send({"number": number}) for number in numbers))
        to_client = framework.together(*(worker.send({"number": number}) for number in numbers))
        assert await messages(worker, MESSAGES) == [{"number": number} for number in numbers]
        assert await messages(client, MESSAGES) == [{"number": number} for number in numbers]
        sent = await to_worker
        await to_client
        assert [answer.seq for answer in sent] == sorted({answer.seq for answer in sent})
        assert await client.release_pair()
        await client.stop()
        await worker.stop()
        assert [type(event) async for event in client.events()].count(Message) == 0


async def a_cut_connection_loses_nothing(framework: Framework, node: Node) -> None:
    client, worker = await paired(framework, node, "cut")
    session = client.session_id
    sending = framework.together(*(client.send(number) for number in range(MESSAGES)))
    cut(client)
    cut(worker)
    replies = framework.together(*(worker.send(number) for number in range(MESSAGES)))
    assert await messages(worker, MESSAGES) == list(range(MESSAGES))
    assert await messages(client, MESSAGES) == list(range(MESSAGES))
    await sending
    await replies
    assert client.session_id == session
    assert client.connection_attempts == 2
    assert client.generation == 2
    await client.stop()
    await worker.stop()


async def a_loss_and_its_end_are_told(framework: Framework, node: Node) -> None:
    client = framework.client(node.url, lambda: node.client_ticket, options=QUICK)
    await client.start()
    started = await first(client, SessionStarted)
    assert (started.session_id, started.node_id) == (client.session_id, client.node_id)
    cut(client)
    assert await first(client, Disconnected)
    resumed = await first(client, Resumed)
    assert resumed.gap_s > 0
    assert not resumed.handover
    await client.stop()
    with_stopped: list[type[Exception]] = []
    try:
        await client.send("too late")
    except Stopped:
        with_stopped.append(Stopped)
    assert with_stopped


async def another_process_goes_on_with_the_session(framework: Framework, node: Node) -> None:
    client, worker = await paired(framework, node, "saved")
    await client.send("from the first")
    await worker.send("unread")
    await worker.send("missed")
    assert await messages(client, 1) == ["unread"]
    pairs = client.pairs
    await client.stop(end=False)
    saved = client.saved
    assert saved is not None
    assert saved.recovery_token not in repr(saved)
    heir = framework.client(node.url, lambda: node.client_ticket, resume_from=saved)
    await heir.start()
    assert heir.session_id == client.session_id
    assert heir.pairs == pairs
    # "unread" was taken from the iteration but nothing asked for the next one: it may not have been worked on.
    assert await messages(heir, 2) == ["unread", "missed"]
    await heir.send("from the second")
    assert await messages(worker, 2) == ["from the first", "from the second"]
    await heir.stop()
    assert (await first(worker, PairChanged)).state == "lost"
    await worker.stop()


async def refusals_are_exceptions(framework: Framework, node: Node) -> None:
    async with framework.client(node.url, lambda: node.client_ticket) as client:
        info = await client.call(uris.SESSION_INFO)
        assert info["session_id"] == client.session_id
        expected: list[tuple[type[Exception], Coroutine[Any, Any, Any]]] = [
            (errors.NotPaired, client.send("to nobody")),
            (errors.TooLarge, client.send("x" * 80_000)),
            (errors.TooLarge, client.send("x" * 300_000)),
            (errors.Invalid, client.send(object())),
            (NoWorker, client.request_pair(["nobody can do this"], deadline_s=0.2)),
        ]
        for error, command in expected:
            try:
                answer = await command
            except error:
                continue
            raise AssertionError((error, answer))
        waiting = framework.together(_cancelled(client))
        while not await client.cancel_pair():
            pass
        await waiting
        assert client.connection_attempts == 1


async def _cancelled(client: BaseClient) -> None:
    try:
        await client.request_pair(["nobody can do this"], deadline_s=30)
    except PairingCancelled:
        return
    raise AssertionError("paired with nobody")


async def a_bad_ticket_is_given_up_after_fresh_ones(framework: Framework, node: Node) -> None:
    asked: list[int] = []

    async def ticket() -> str:
        asked.append(1)
        return "no.jwt.atall"

    client = framework.client(node.url, ticket, options=QUICK)
    try:
        await client.start()
    except AuthenticationFailed:
        assert len(asked) == QUICK.authentication_tries
        await client.stop()
        return
    raise AssertionError("started with a bad ticket")


async def one_process_holds_200_clients(framework: Framework, node: Node) -> None:
    clients = [framework.client(node.url, lambda: node.client_ticket, options=QUICK) for _ in range(200)]
    await framework.together(*(client.start() for client in clients))
    assert len({client.session_id for client in clients}) == 200
    for client in clients:
        cut(client)
    await framework.together(*(first(client, Resumed) for client in clients))
    await framework.together(*(client.stop() for client in clients))


async def a_pair_talks_through_a_redeploy(framework: Framework, node: Node) -> None:
    """Prints ``paired`` when it may begin, and moves when the node says so."""
    client, worker = await paired(framework, node, "moving")
    sys.stdout.write(json.dumps({"paired": client.node_id}) + "\n")
    sys.stdout.flush()

    async def talk(speaker: BaseClient) -> int:
        count = 0
        while True:
            await speaker.send(count)
            count += 1
            if speaker.node_id == "green" and client.node_id == worker.node_id and count >= MESSAGES:
                await speaker.send("over")
                return count

    async def listen(listener: BaseClient) -> tuple[list[Any], list[Resumed]]:
        heard: list[Any] = []
        moves: list[Resumed] = []
        async for event in listener.events():
            if isinstance(event, Message):
                if event.payload == "over":
                    break
                heard.append(event.payload)
            elif isinstance(event, Resumed):
                moves.append(event)
            else:
                assert not isinstance(event, Disconnected), event
        return heard, moves

    said_c, said_w, heard_w, heard_c = await framework.together(
        talk(client), talk(worker), listen(worker), listen(client)
    )
    assert heard_w[0] == list(range(said_c))
    assert heard_c[0] == list(range(said_w))
    for moves in (heard_w[1], heard_c[1]):
        assert [(move.node_id, move.handover) for move in moves] == [("green", True)]
        # Not quite 0.0 when the news that the old connection is superseded overtakes the answer to ``ready``.
        assert moves[0].gap_s < 0.5
    assert (client.connection_attempts, worker.connection_attempts) == (2, 2)
    await client.stop()
    await worker.stop()


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        messages_arrive_once_and_in_order_both_ways,
        a_cut_connection_loses_nothing,
        a_loss_and_its_end_are_told,
        another_process_goes_on_with_the_session,
        refusals_are_exceptions,
        a_bad_ticket_is_given_up_after_fresh_ones,
        one_process_holds_200_clients,
    )
}
REDEPLOY = a_pair_talks_through_a_redeploy.__name__


def run_with_asyncio(name: str, node: Node) -> None:
    from sigrouter.client.asyncio import Client, Worker  # noqa: PLC0415 - chooses asyncio for this process

    framework = Framework(Client, Worker, asyncio.gather)
    scenario = {**SCENARIOS, REDEPLOY: a_pair_talks_through_a_redeploy}[name]
    asyncio.run(asyncio.wait_for(scenario(framework, node), 50))


def run_with_twisted(name: str, node: Node) -> None:
    from twisted.internet.defer import Deferred, gatherResults  # noqa: PLC0415 - not in an asyncio process
    from twisted.internet.task import react  # noqa: PLC0415 - not in an asyncio process

    from sigrouter.client.twisted import Client, Worker  # noqa: PLC0415 - chooses Twisted for this process

    def together(*coroutines: Any) -> Any:
        return gatherResults([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)

    scenario = {**SCENARIOS, REDEPLOY: a_pair_talks_through_a_redeploy}[name]
    framework = Framework(Client, Worker, together)
    react(lambda reactor: Deferred.fromCoroutine(scenario(framework, node)).addTimeout(50, reactor))


if __name__ == "__main__":
    {"asyncio": run_with_asyncio, "twisted": run_with_twisted}[sys.argv[1]](sys.argv[2], Node(*sys.argv[3:]))
