"""Short ways to the situations that the contract's tests start from."""

from typing import Any

from sigrouter.stores.interface import Store
from sigrouter.stores.records import (
    Backlog,
    Claim,
    Claimed,
    Confirm,
    Confirmed,
    NewSession,
    NodeRecord,
    NodeState,
    Paired,
    Position,
    Role,
    Send,
    Sent,
)

NOTHING_YET = Position("", 0)
"""The position of a client that acknowledges and has nothing."""


def fresh(session_id: str, node_id: str = "a", role: Role = "client") -> NewSession:
    """A session of the user ``user-ID``."""
    return NewSession(session_id, f"user-{session_id}", role, node_id, "blue", f"{session_id}-on-{node_id}")


def claim_of(session_id: str, generation: int, node_id: str = "b", role: Role = "client") -> Claim:
    """A claim with a token of ``generation``."""
    return Claim(session_id, f"user-{session_id}", role, generation, node_id, "green", f"{session_id}-on-{node_id}")


def ready(
    session_id: str, generation: int, node_id: str = "a", position: Position | None = NOTHING_YET, limit: int = 100
) -> Confirm:
    """``sig.session.ready`` on a connection."""
    return Confirm(session_id, generation, node_id, "green", f"{session_id}-on-{node_id}", position, limit)


async def connect(
    store: Store,
    session_id: str,
    node_id: str = "a",
    role: Role = "client",
    position: Position | None = NOTHING_YET,
) -> Confirmed:
    """A new session, confirmed with generation 1."""
    await store.create(fresh(session_id, node_id, role))
    confirmed = await store.confirm(ready(session_id, 1, node_id, position))
    assert isinstance(confirmed, Confirmed)
    return confirmed


async def resume(
    store: Store,
    session_id: str,
    generation: int,
    node_id: str = "b",
    role: Role = "client",
    position: Position | None = NOTHING_YET,
) -> Confirmed:
    """The session with a token of ``generation``, claimed and confirmed on a node."""
    claimed = await store.claim(claim_of(session_id, generation, node_id, role))
    assert isinstance(claimed, Claimed)
    confirmed = await store.confirm(ready(session_id, claimed.generation, node_id, position))
    assert isinstance(confirmed, Confirmed)
    return confirmed


async def bind(
    store: Store, client: str = "client", worker: str = "worker", client_node: str = "a", worker_node: str = "a"
) -> str:
    """A connected client and its connected worker; the id of their pair. Both mailboxes hold one ``pair`` entry."""
    await connect(store, worker, worker_node, "worker")
    await store.announce(worker, 1, frozenset(), 1)
    await connect(store, client, client_node)
    paired = await store.request(client, 1, frozenset(), 60.0)
    assert isinstance(paired, Paired)
    assert paired.worker_id == worker
    return paired.pair_id


def message(
    sender: str,
    payload: Any,
    *,
    pair_id: str = "",
    room_id: str = "",
    generation: int = 1,
    number: int | None = None,
    acked: int = 0,
) -> Send:
    """A message of kind ``message``."""
    return Send(sender, generation, pair_id, room_id, "message", payload, number, acked)


async def sent(store: Store, send: Send) -> Sent:
    """The answer to a message that is taken."""
    answer = await store.send(send)
    assert isinstance(answer, Sent), answer
    return answer


async def log_of(store: Store, channel: str, after: Position | None = None, limit: int = 100) -> Backlog:
    """The log of a channel that exists."""
    backlog = await store.read(channel, after, limit)
    assert isinstance(backlog, Backlog)
    return backlog


def messages(backlog: Backlog) -> list[Any]:
    """The payloads of the messages in a backlog."""
    return [entry.payload for entry in backlog.entries if entry.kind == "message"]


def pair_states(backlog: Backlog) -> list[str]:
    """The states of the ``pair`` entries in a backlog."""
    return [entry.payload["state"] for entry in backlog.entries if entry.kind == "pair"]


def node(node_id: str, state: NodeState = "ready", sessions: int = 0) -> NodeRecord:
    """A node's own view of itself."""
    return NodeRecord(node_id, "blue", state, f"wss://{node_id}/ws", sessions, 1_700_000_000.0, 0.0)
