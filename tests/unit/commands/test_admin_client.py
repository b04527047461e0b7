"""The operators' connection, against a small WAMP router of the test's own on a real socket."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from autobahn.twisted.websocket import WampWebSocketServerFactory
from autobahn.wamp import message, role
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from sigrouter.commands.admin_client import (
    TICKET_VARIABLE,
    Admin,
    AdminAddress,
    ConnectionGone,
    NotAdmitted,
    NoTicket,
    NotReachable,
    Refused,
    address,
    converse,
)
from sigrouter.protocol import uris
from sigrouter.services.admin_ticket import ticket_file

GOOD = "the good ticket"


class TinyRouter:
    """Speaks just enough WAMP: welcome for the good ticket, and an answer for each procedure."""

    mute = False
    _authid = _session_id = None  # Autobahn's transport logs them

    def onOpen(self, transport: Any) -> None:
        self.transport = transport

    def onMessage(self, heard: Any) -> None:
        if self.mute:
            return
        match heard:
            case message.Hello():
                assert heard.realm == uris.REALM
                self.transport.send(message.Challenge("ticket"))
            case message.Authenticate() if heard.signature == GOOD:
                self.transport.send(message.Welcome(1, {"dealer": role.RoleDealerFeatures()}, authrole="admin"))
            case message.Authenticate():
                self.transport.send(message.Abort(uris.ERROR_AUTHENTICATION, "{}"))
            case message.Call(procedure=uris.ADMIN_NODES):
                self.transport.send(message.Result(heard.request, args=[{"nodes": [], "asked": heard.kwargs}]))
            case message.Call(procedure=uris.ADMIN_SESSION):
                details = {"message": "No such session"}
                error = message.Error(
                    message.Call.MESSAGE_TYPE, heard.request, uris.ERROR_NOT_FOUND, args=["x"], kwargs=details
                )
                self.transport.send(error)
            case message.Call(procedure=uris.ADMIN_KICK):
                self.transport.send(
                    message.Error(message.Call.MESSAGE_TYPE, heard.request, "wamp.error.no_such_procedure")
                )
            case message.Call(procedure=uris.ADMIN_DRAIN):
                self.transport.abort()

    def onClose(self, _was_clean: bool) -> None:
        pass


class MuteRouter(TinyRouter):
    mute = True


def with_router(
    test: Callable[[AdminAddress], Any], router: type[TinyRouter] = TinyRouter
) -> Callable[[], Deferred[None]]:
    """Run a test against a router on a free port."""

    @functools.wraps(test, updated=())
    @pytest_twisted.ensureDeferred
    async def run() -> None:
        port = reactor.listenTCP(0, WampWebSocketServerFactory(router), interface="127.0.0.1")  # type: ignore[attr-defined] # the default reactor
        try:
            await test(AdminAddress("127.0.0.1", port.getHost().port, GOOD))
        finally:
            await port.stopListening()

    del run.__wrapped__
    return run


def call(where: AdminAddress, procedure: str, patience_s: float = 5.0, **arguments: Any) -> Any:
    async def conversation(admin: Admin) -> dict[str, Any]:
        await admin.pause(0)
        return await admin.call(procedure, **arguments)

    return converse(reactor, where, conversation, patience_s)


@with_router
async def test_a_call_gets_its_answer(where: AdminAddress) -> None:
    assert await call(where, uris.ADMIN_NODES, a=1) == {"nodes": [], "asked": {"a": 1}}


@with_router
async def test_a_refusal_keeps_its_uri_and_its_words(where: AdminAddress) -> None:
    with pytest.raises(Refused, match="No such session") as refused:
        await call(where, uris.ADMIN_SESSION, session_id="s1")
    assert refused.value.uri == uris.ERROR_NOT_FOUND


@with_router
async def test_a_refusal_without_words_is_one_too(where: AdminAddress) -> None:
    with pytest.raises(Refused, match="no_such_procedure"):
        await call(where, uris.ADMIN_KICK)


@with_router
async def test_a_wrong_ticket_is_not_admitted(where: AdminAddress) -> None:
    with pytest.raises(NotAdmitted, match=r"sig\.error\.authentication"):
        await call(AdminAddress(where.host, where.port, "a wrong one"), uris.ADMIN_NODES)


@with_router
async def test_a_connection_that_breaks_under_a_call_is_told_apart(where: AdminAddress) -> None:
    async def conversation(admin: Admin) -> dict[str, Any]:
        assert await admin.call(uris.ADMIN_NODES)
        with pytest.raises(ConnectionGone):
            await admin.call(uris.ADMIN_DRAIN)
        with pytest.raises(ConnectionGone):
            await admin.call(uris.ADMIN_NODES)
        return {"reached": True}

    assert await converse(reactor, where, conversation, 5.0) == {"reached": True}


@with_router
async def test_a_call_that_nobody_answers_ends(where: AdminAddress) -> None:
    with pytest.raises(NotReachable, match="did not answer"):
        await call(where, "sig.admin.forgotten", patience_s=1.0)


async def _nobody_welcomes(where: AdminAddress) -> None:
    with pytest.raises(NotReachable, match="is it a node"):
        await call(where, uris.ADMIN_NODES, patience_s=0.2)


test_a_server_that_never_says_welcome_is_not_waited_for = with_router(_nobody_welcomes, MuteRouter)


@pytest_twisted.ensureDeferred
async def test_where_nobody_listens_the_address_is_named() -> None:
    port = reactor.listenTCP(0, WampWebSocketServerFactory(TinyRouter), interface="127.0.0.1")  # type: ignore[attr-defined] # the default reactor
    number = port.getHost().port
    await port.stopListening()
    with pytest.raises(NotReachable, match=f"ws://127.0.0.1:{number}/admin"):
        await call(AdminAddress("127.0.0.1", number, GOOD), uris.ADMIN_NODES)


def test_the_ticket_comes_from_the_environment_or_the_nodes_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGROUTER_NODE_STATE_DIR", str(tmp_path))
    assert address({TICKET_VARIABLE: "from outside"}).ticket == "from outside"
    with pytest.raises(NoTicket, match="Is the node running"):
        address({})
    ticket_file(tmp_path, 4002).write_text("from the file\n")
    found = address({})
    assert (found.ticket, found.url) == ("from the file", "ws://127.0.0.1:4002/admin")
    assert "from the file" not in repr(found)
