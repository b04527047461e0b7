"""A stage for conversations with the core: what was asked for is looked at by kind, and answered by name."""

from typing import Any, TypeVar

from sigrouter.client import effects
from sigrouter.client.core import Core
from sigrouter.client.events import SavedSession
from sigrouter.client.options import Options
from sigrouter.protocol import uris

URL = "ws://balancer/ws"
Kind = TypeVar("Kind")


class Conversation:
    """Each method is one line of the talk; the effects it caused are in ``asked``."""

    def __init__(self, resume_from: SavedSession | None = None, **options: Any) -> None:
        self.core = Core(URL, random_unit=lambda: 0.5, options=Options(**options), resume_from=resume_from)
        self.at = 0.0
        self.asked: list[effects.Effect] = []
        self.calls: dict[tuple[int, str], list[effects.Call]] = {}
        self.commands = 0

    # ---- looking -------------------------------------------------------------------------------------------------

    def all(self, kind: type[Kind]) -> list[Kind]:
        return [effect for effect in self.asked if isinstance(effect, kind)]

    def one(self, kind: type[Kind]) -> Kind:
        (effect,) = self.all(kind)
        return effect

    @property
    def events(self) -> list[Any]:
        return [deliver.event for deliver in self.all(effects.Deliver)]

    @property
    def done(self) -> dict[int, Any]:
        resolved: dict[int, Any] = {effect.command_id: effect.value for effect in self.all(effects.Resolve)}
        return resolved | {effect.command_id: effect.error for effect in self.all(effects.Reject)}

    @property
    def numbers(self) -> list[tuple[int, int]]:
        """``(number, acked)`` of the sends just asked for."""
        sends = [call.kwargs for call in self.all(effects.Call) if call.procedure == uris.PAIR_SEND]
        return [(kwargs["number"], kwargs["acked"]) for kwargs in sends]

    def procedures(self, handle: int) -> list[str]:
        return [call.procedure for call in self.all(effects.Call) if call.handle == handle]

    def call(self, handle: int, procedure: str) -> effects.Call:
        """The last call of the procedure on the connection that was not answered yet."""
        return self.calls[handle, procedure][-1]

    # ---- talking -------------------------------------------------------------------------------------------------

    def _heard(self, asked: list[effects.Effect]) -> None:
        self.asked = asked
        for call in self.all(effects.Call):
            self.calls.setdefault((call.handle, call.procedure), []).append(call)

    def command(self, name: str, *arguments: Any, **keywords: Any) -> int:
        self.commands += 1
        self._heard(getattr(self.core, name)(self.commands, *arguments, self.at, **keywords))
        return self.commands

    def tell(self, name: str, *arguments: Any) -> None:
        self._heard(getattr(self.core, name)(*arguments, self.at))

    def wait(self, seconds: float) -> None:
        """Let time pass; the timer is told when it is due, as a front end would."""
        self.at += seconds
        self.tell("timer")

    def dial(self) -> effects.Connect:
        """Time enough for the next try, and a ticket for it."""
        self.wait(20.0)
        self.tell("ticket_obtained", self.one(effects.FetchTicket).request_id, "jwt")
        return self.one(effects.Connect)

    def welcome(self, handle: int, token: str = "token-1", session: str = "s1", **more: Any) -> None:
        self.tell("joined", handle, {"session_id": session, "recovery_token": token, "heartbeat_s": 1000.0, **more})

    def answer(self, handle: int, procedure: str, result: Any) -> None:
        self.tell("result", self.calls[handle, procedure].pop(0).call_id, result)

    def refuse(self, handle: int, procedure: str, uri: str, **details: Any) -> None:
        self.tell("error", self.calls[handle, procedure].pop(0).call_id, uri, details)

    def ready(self, handle: int, *, missed: int = 0, after: int = 0, last_number: int = 0, **more: Any) -> None:
        mailbox = {"epoch": "e", "seq": after + missed, "reset": False, "more": False}
        mailbox["missed"] = [entry(after + 1 + index) for index in range(missed)]
        answer = {"generation": handle, "last_number": last_number, "pairs": [], "channels": {"mailbox": mailbox}}
        self.answer(handle, uris.SESSION_READY, {**answer, **more})

    def connected(self) -> int:
        """From nothing to a ready connection; its handle."""
        self.command("start")
        handle = self.dial().handle
        self.welcome(handle)
        self.ready(handle)
        return handle

    def event(self, handle: int, seq: int, **more: Any) -> None:
        self.tell("event", handle, uris.EVENT_MESSAGE, entry(seq, **more))

    def goaway(self, handle: int, **payload: Any) -> None:
        self.tell("event", handle, uris.EVENT_GOAWAY, {"kind": "goaway", "payload": {"handover_id": "h", **payload}})


def entry(seq: int, epoch: str = "e", kind: str = "message", payload: Any = None) -> dict[str, Any]:
    """A logged event."""
    return {
        "channel": "mailbox", "epoch": epoch, "seq": seq, "kind": kind, "sender": "peer", "pair_id": "p", "at": 1,
        "payload": seq if payload is None else payload,
    }  # fmt: skip
