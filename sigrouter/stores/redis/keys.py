"""Every name in Redis, and what is kept under it; the Lua scripts get the same names as constants in capitals.

One Redis, perhaps with replicas; not Redis Cluster: a script touches the keys of several sessions.
``{…}`` is the id. All times are seconds since the Unix epoch. Whatever has an id has an EXPIRE too, renewed while its
session is kept alive, so that nothing is left behind when all nodes die at once.
"""

from typing import Final

# ---- Sessions ------------------------------------------------------------------------------------

SESSION: Final = "ws:session:"
"""``ws:session:{id}``, hash: the record (``pod_id`` is its node) and the mailbox's ``epoch``, ``head`` (newest seq),
``acked`` (read up to) and ``reads`` (0: its reader does not acknowledge). After the end: the tombstone."""

MESSAGES: Final = "ws:messages:"
"""``ws:messages:{id}``, stream: the mailbox. Ids are ``seq-0``; ``a`` is the time in ms, ``b`` the entry in msgpack."""

SENT: Final = "ws:sent:"
"""``ws:sent:{id}``, hash: the numbers of a sender: ``last`` appended, ``acked``, and the answer to each one beyond."""

DEADLINES: Final = "ws:deadlines"
"""Sorted set of session ids by the time at which they expire."""

USER_NODE: Final = "user:"
USER_NODE_SUFFIX: Final = ":node"
"""``user:{userId}:node``, string: the node that the user was confirmed on last, while connected (R31)."""

# ---- Rooms ---------------------------------------------------------------------------------------

ROOM: Final = "room:"
ROOM_LOG_SUFFIX: Final = ":log"
"""``room:{roomId}:log``, hash: ``epoch`` and ``head`` of the room's log."""

ROOM_MESSAGES_SUFFIX: Final = ":messages"
"""``room:{roomId}:messages``, stream: the room's log, in the form of a mailbox."""

# ---- Pairs ---------------------------------------------------------------------------------------

PAIR: Final = "pair:"
"""``pair:{id}``, hash: ``client``, ``client_user``, ``worker``, ``worker_user``."""

PAIRS_OF: Final = "pairs:"
"""``pairs:{sessionId}``, sorted set: the pairs of a session, in the order in which they were made."""

WORKER: Final = "worker:"
"""``worker:{sessionId}``, hash: ``abilities`` (msgpack), ``capacity``, ``load``, ``turn``, ``slot`` (see WORKERS)."""

WORKERS: Final = "workers:free"
"""Sorted set by load/capacity of the connected workers that have a free slot. The members are ``slot``s, turn and id:
among equals Redis sorts by member, and so by who has waited longest."""

QUEUE: Final = "queue"
"""Sorted set: the waiting clients by the order in which they came."""

REQUEST: Final = "queue:request:"
"""``queue:request:{sessionId}``, hash: ``abilities`` (msgpack) and ``deadline_at`` of a waiting client."""

QUEUE_DEADLINES: Final = "queue:deadlines"
"""Sorted set: the waiting clients by the end of their wait."""

TURN: Final = "turn"
"""A counter: the order of arrivals, whatever the clock says."""

# ---- Redis itself --------------------------------------------------------------------------------

RUN_ID: Final = "redis:run_id"
"""The run of the Redis process that the nodes last greeted."""

INCARNATION: Final = "redis:incarnation"
"""Part of every epoch: the first run since Redis may last have lost what it had acknowledged."""

# ---- Nodes and handovers -------------------------------------------------------------------------

NODE: Final = "node:"
"""``node:{id}``, hash: the node's record."""

NODE_SESSIONS_SUFFIX: Final = ":sessions"
"""``node:{id}:sessions``, set: the sessions that are confirmed there."""

NODES: Final = "nodes"
"""Sorted set of node ids by the end of their lease; those that are over wait for ``expire``."""

HANDOVER: Final = "handover:"
"""``handover:{id}``, list: the steps, in msgpack."""

HANDOVERS: Final = "handovers"
"""Sorted set of handover ids by the order in which they began."""

# ---- Channels of pub/sub -------------------------------------------------------------------------

NODE_CHANNEL: Final = "channel:node:"
"""``channel:node:{nodeId}``: what happened to the node's sessions, complete, so that the node need not read it."""

ROOM_CHANNEL: Final = "channel:room:"
"""``channel:room:{roomId}``: the room's new entries."""

NODES_CHANNEL: Final = "channel:nodes"
"""That a node came, left or changed."""

CONSTANTS: Final = {name: value for name, value in globals().items() if name.isupper() and isinstance(value, str)}
"""For the scripts: constant name to text."""
