"""A client that waits for a worker, says hello, and prints what comes back, whatever happens to the server meanwhile.

Run it against a development node: ``sigrouter start`` in one terminal, then

    SIGROUTER_TICKET=$(sigrouter token --user alice) python examples/client.py
"""

import asyncio
import os

from sigrouter.client.asyncio import Client
from sigrouter.client.events import Message, Resumed

URL = os.environ.get("SIGROUTER_URL", "ws://127.0.0.1:4001/ws")


async def main() -> None:
    async with Client(URL, lambda: os.environ["SIGROUTER_TICKET"]) as client:
        pair = await client.request_pair(abilities=["echo"], deadline_s=60)
        print(f"session {client.session_id} on {client.node_id} has worker {pair.peer_session_id}")
        for number in range(10):
            await client.send({"text": f"hello {number}"})
        async for event in client.events():
            match event:
                case Message(payload=payload):
                    print("received", payload)
                    if payload["text"] == "hello 9":
                        break
                case Resumed(gap_s=gap_s, node_id=node_id):
                    print(f"now on {node_id}, after {gap_s:.1f} s without a connection")


asyncio.run(main())
