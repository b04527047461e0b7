"""Bad input gets a typed error that says what is wrong, and nothing of the server's inside."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_twisted
from autobahn.wamp.exception import ApplicationError

from sigrouter.protocol import uris
from tests.support.node_process import NodeProcess
from tests.support.raw_peer import RawPeer

ENVIRONMENT = {
    "SIGROUTER_LIMITS_MESSAGE_BYTES": "2000",
    "SIGROUTER_LIMITS_CALLS_PER_S": "50",
    "SIGROUTER_LIMITS_CALLS_BURST": "60",
    "SIGROUTER_STORE_MAILBOX_ENTRIES": "20",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("input"), env=ENVIRONMENT) as running:
        yield running


@pytest_twisted.async_yield_fixture
async def pair(node: NodeProcess) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    worker = await RawPeer(node.url, node.ticket("will", "worker")).connect()
    await worker.ready()
    await worker.call(uris.WORKER_ANNOUNCE, abilities=[], capacity=1)
    client = await RawPeer(node.url, node.ticket("cleo", "client")).connect()
    await client.ready()
    assert (await client.call(uris.PAIR_REQUEST))["state"] == "paired"
    yield client, worker
    await persist(client, uris.SESSION_END)
    await persist(worker, uris.SESSION_END)


async def persist(peer: RawPeer, procedure: str) -> None:
    """Call until the rate limit lets it through."""
    while True:
        try:
            await peer.call(procedure)
        except ApplicationError as error:
            assert error.error == uris.ERROR_RATE_LIMITED
        else:
            return


def told(error: ApplicationError) -> tuple[str, str | None]:
    """URI and field; whatever came with it must not look like the inside of a server."""
    text = repr((error.args, error.kwargs))
    assert "Traceback" not in text
    assert ".py" not in text
    return error.error, error.kwargs.get("field")


@pytest_twisted.ensureDeferred
async def test_wrong_arguments_are_refused_by_name(pair: tuple[RawPeer, RawPeer]) -> None:
    client, worker = pair
    assert told(await client.refused(uris.PAIR_SEND)) == (uris.ERROR_INVALID, "payload")
    assert told(await client.refused(uris.PAIR_SEND, "positional")) == (uris.ERROR_INVALID, "args")
    assert told(await client.refused(uris.PAIR_SEND, payload=1, number=-4)) == (uris.ERROR_INVALID, "number")
    assert told(await client.refused(uris.PAIR_SEND, payload=1, nmber=4)) == (uris.ERROR_INVALID, "nmber")
    assert told(await client.refused(uris.PAIR_REQUEST, deadline_s="soon")) == (uris.ERROR_INVALID, "deadline_s")
    assert told(await client.refused(uris.SESSION_HEARTBEAT, positions=3)) == (uris.ERROR_INVALID, "positions")
    assert told(await worker.refused(uris.WORKER_ANNOUNCE, capacity=-1)) == (uris.ERROR_INVALID, "capacity")
    assert told(await client.refused(uris.CHANNEL_RECOVER, channel="room:x", epoch="", seq=0)) == (
        uris.ERROR_NOT_FOUND,
        None,
    )


@pytest_twisted.ensureDeferred
async def test_roles_may_do_what_is_theirs(node: NodeProcess, pair: tuple[RawPeer, RawPeer]) -> None:
    client, worker = pair
    assert told(await worker.refused(uris.PAIR_REQUEST)) == (uris.ERROR_FORBIDDEN, None)
    for procedure in (uris.WORKER_ANNOUNCE, uris.ADMIN_KICK, uris.AUTHENTICATE, "wamp.session.list"):
        assert (await client.refused(procedure)).error == "wamp.error.not_authorized"
    with pytest.raises(ApplicationError, match="not_authorized"):
        await client._session.subscribe(print, "wamp.session.on_join")
    stranger = await RawPeer(node.url, node.ticket("eve")).connect()
    assert told(await stranger.refused(uris.PAIR_SEND, payload=1)) == (uris.ERROR_NOT_READY, None)
    await stranger.ready()
    assert told(await stranger.refused(uris.PAIR_SEND, payload=1)) == (uris.ERROR_NOT_PAIRED, None)
    pair_id = client.events[0][1]["pair_id"]
    assert told(await stranger.refused(uris.PAIR_SEND, payload=1, pair_id=pair_id)) == (uris.ERROR_NOT_PAIRED, None)
    assert await stranger.call(uris.PAIR_RELEASE, pair_id=pair_id) == {"released": False}
    await client.call(uris.PAIR_SEND, payload="still paired")
    await stranger.leave()


@pytest_twisted.ensureDeferred
async def test_a_message_has_a_largest_size(pair: tuple[RawPeer, RawPeer]) -> None:
    client, worker = pair
    error = await client.refused(uris.PAIR_SEND, payload="x" * 2000)
    assert (error.error, error.kwargs["limit_bytes"]) == (uris.ERROR_TOO_LARGE, 2000)
    await client.call(uris.PAIR_SEND, payload="x" * 1998)
    assert len((await worker.event(uris.EVENT_MESSAGE))["payload"]) == 1998


@pytest_twisted.ensureDeferred
async def test_a_gap_in_the_numbers_is_refused_and_names_the_missing_one(pair: tuple[RawPeer, RawPeer]) -> None:
    client, _ = pair
    await client.call(uris.PAIR_SEND, payload=1, number=1)
    error = await client.refused(uris.PAIR_SEND, payload=3, number=3, acked=1)
    assert (error.error, error.kwargs["expected"]) == (uris.ERROR_OUT_OF_ORDER, 2)


@pytest_twisted.ensureDeferred
async def test_a_reader_that_does_not_acknowledge_slows_its_senders_and_loses_nothing(
    pair: tuple[RawPeer, RawPeer],
) -> None:
    client, worker = pair
    for number in range(1, 20):  # With the entry about the pair, the mailbox then holds 20.
        await client.call(uris.PAIR_SEND, payload=number, number=number, acked=number - 1)
    error = await client.refused(uris.PAIR_SEND, payload=20, number=20, acked=19)
    assert error.error == uris.ERROR_MAILBOX_FULL
    assert error.kwargs["retry_after_s"] > 0
    last = await worker.event(uris.EVENT_MESSAGE, lambda event: event["payload"] == 19)
    await worker.call(uris.CHANNEL_ACK, positions={"mailbox": {"epoch": last["epoch"], "seq": last["seq"]}})
    assert (await client.call(uris.PAIR_SEND, payload=20, number=20, acked=19))["duplicate"] is False


@pytest_twisted.ensureDeferred
async def test_who_calls_too_often_is_told_when_to_come_back_and_does_not_fill_the_log(
    node: NodeProcess, pair: tuple[RawPeer, RawPeer]
) -> None:
    client, _ = pair
    refusals = []
    for _ in range(200):
        try:
            await client.call(uris.SESSION_INFO)
        except ApplicationError as error:
            refusals.append(error)
            break
    assert refusals[0].error == uris.ERROR_RATE_LIMITED
    assert 0 < refusals[0].kwargs["retry_after_s"] <= 1

    for _ in range(5):
        await persist(client, uris.SESSION_INFO)
    assert node.log.count(f"call refused: {uris.ERROR_RATE_LIMITED}") == 1


@pytest_twisted.ensureDeferred
async def test_a_frame_beyond_the_limit_ends_the_connection_and_only_that(
    node: NodeProcess, pair: tuple[RawPeer, RawPeer]
) -> None:
    client, worker = pair
    stranger = await RawPeer(node.url, node.ticket("eve")).connect()
    await stranger.ready()
    stranger._session.call(uris.PAIR_SEND, payload="x" * 10_000_000).addErrback(lambda _: None)
    await stranger.until(lambda: stranger.is_closed)
    await client.call(uris.PAIR_SEND, payload="alive")
    assert (await worker.event(uris.EVENT_MESSAGE))["payload"] == "alive"
