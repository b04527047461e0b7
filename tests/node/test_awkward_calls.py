"""Calls that Autobahn alone would leave without an answer: too much was missed for one message, a name is reserved."""

from collections.abc import Iterator

import pytest
import pytest_twisted

from sigrouter.protocol import uris
from tests.support.node_process import NodeProcess
from tests.support.raw_peer import RawPeer

LARGE = 60_000
"""Bytes of a message, within the default limit; three of them are more than a peer may send in one piece."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("awkward")) as running:
        yield running


@pytest_twisted.ensureDeferred
async def test_whoever_missed_more_than_one_message_holds_reads_it_page_by_page(node: NodeProcess) -> None:
    worker = await RawPeer(node.url, node.ticket("will", "worker")).connect()
    await worker.ready()
    await worker.call(uris.WORKER_ANNOUNCE, abilities=[], capacity=1)
    client = await RawPeer(node.url, node.ticket("cleo")).connect()
    await client.ready()
    assert (await client.call(uris.PAIR_REQUEST))["state"] == "paired"
    paired = await client.event(uris.EVENT_PAIR)
    client.cut()
    for number in range(6):
        await worker.call(uris.PAIR_SEND, payload=f"{number}" * LARGE)

    again = RawPeer(node.url, node.ticket("cleo"), {"recovery_token": client.welcome["recovery_token"]})
    await again.connect()
    position = {"epoch": paired["epoch"], "seq": paired["seq"]}
    page = (await again.ready(positions={"mailbox": position}))["channels"]["mailbox"]
    missed = list(page["missed"])
    while page["more"]:
        page = await again.call(
            uris.CHANNEL_RECOVER, channel="mailbox", epoch=page["epoch"], seq=page["missed"][-1]["seq"]
        )
        assert not page["reset"]
        missed += page["missed"]

    assert [event["payload"] for event in missed] == [f"{number}" * LARGE for number in range(6)]
    await worker.call(uris.PAIR_SEND, payload="live")
    assert (await again.event(uris.EVENT_MESSAGE))["seq"] == missed[-1]["seq"] + 1
    await again.call(uris.SESSION_END)
    await worker.call(uris.SESSION_END)


@pytest_twisted.ensureDeferred
async def test_an_argument_with_a_name_that_autobahn_uses_itself_is_refused_like_any_other(node: NodeProcess) -> None:
    peer = await RawPeer(node.url, node.ticket("eve")).connect()
    error = await peer.refused(uris.SESSION_READY, fun=1)
    assert error.error == uris.ERROR_INVALID
    assert error.kwargs["field"].startswith("fun")
    assert (await peer.ready())["generation"] == 1
    assert "Unhandled error" not in node.log
    await peer.leave()
