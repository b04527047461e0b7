"""``sig.admin.*``: what operators see and do."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from attrs import asdict

from components.base import PodComponent
from sigrouter.protocol import messages, uris
from sigrouter.protocol.errors import NotFound
from sigrouter.services.pairing import worker_on_wire
from sigrouter.services.sessions import pairs_on_wire

# An answer must fit into one WebSocket message (128 KiB by default), with the longest user ids too.
SESSIONS_PAGE: Final = 150
STEPS_PAGE: Final = 400


class AdminComponent(PodComponent):
    """Only the role ``admin`` may call these; the router sees to that."""

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """For operators."""
        return {
            uris.ADMIN_NODES: self.for_operator(self._nodes),
            uris.ADMIN_SESSIONS: self.for_operator(self._sessions),
            uris.ADMIN_SESSION: self.for_operator(self._session),
            uris.ADMIN_KICK: self.for_operator(self._kick),
            uris.ADMIN_DRAIN: self.for_operator(self._drain),
            uris.ADMIN_UNDRAIN: self.for_operator(self._undrain),
            uris.ADMIN_HANDOVER: self.for_operator(self._handover),
            uris.ADMIN_HANDOVERS: self.for_operator(self._handovers),
        }

    async def _nodes(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return {"nodes": [asdict(node) for node in await self.pod.store.nodes()]}

    async def _sessions(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        node_id, after = messages.sessions_page(arguments)
        records = await self.pod.store.sessions_of(node_id or self.pod.settings.node.node_id)
        page = records[after : after + SESSIONS_PAGE]
        return {"sessions": [asdict(record) for record in page], "more": after + len(page) < len(records)}

    async def _session(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        session_id = messages.required_id(arguments, "session_id")
        record = await self.pod.store.session(session_id)
        if record is None:
            raise NotFound("No such session")
        worker = await self.pod.store.worker(session_id)
        return {
            "session": asdict(record),
            "pairs": pairs_on_wire(await self.pod.store.pairs_of(session_id)),
            "worker": None if worker is None else worker_on_wire(worker),
        }

    async def _kick(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"kicked": await self.pod.sessions.end(messages.required_id(arguments, "session_id"), "kicked")}

    async def _drain(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.pod.begin_drain(messages.optional_id(arguments, "reason") or "operator")

    async def _undrain(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return {"undrained": await self.pod.undrain()}

    async def _handover(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        handover_id, after = messages.handover_page(arguments)
        await self.pod.steps.written()
        steps = await self.pod.store.handover(handover_id)
        if not steps:
            raise NotFound("No such handover")
        page = steps[after : after + STEPS_PAGE]
        return {"steps": [asdict(step) for step in page], "more": after + len(page) < len(steps)}

    async def _handovers(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return {"handovers": list(await self.pod.store.handovers())}
