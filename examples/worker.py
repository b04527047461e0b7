"""A worker that answers every message with the same one, and goes on through every redeploy.

Run it against a development node: ``sigrouter start`` in one terminal, then

    SIGROUTER_TICKET=$(sigrouter token --user echo-1 --role worker) python examples/worker.py
"""

import asyncio
import os

from sigrouter.client.asyncio import Worker
from sigrouter.client.events import Message, PairChanged, Resumed
from sigrouter.protocol.errors import NotPaired

URL = os.environ.get("SIGROUTER_URL", "ws://127.0.0.1:4001/ws")


async def main() -> None:
    async with Worker(URL, lambda: os.environ["SIGROUTER_TICKET"]) as worker:
        await worker.announce(abilities=["echo"], capacity=10)
        print(f"session {worker.session_id} on {worker.node_id} waits for clients")
        async for event in worker.events():
            match event:
                case Message(payload=payload, pair_id=pair_id):
                    try:
                        await worker.send(payload, pair_id)
                    except NotPaired:
                        print("the client has left meanwhile")
                case PairChanged(state=state, peer_user_id=user):
                    print(state, user)
                case Resumed(node_id=node_id, handover=handover):
                    print("handed over to" if handover else "back on", node_id)


asyncio.run(main())
