"""Puts the redaction between all loggers of this process and all that write their events down."""

from collections.abc import Mapping
from typing import Any

from twisted.logger import LogPublisher, formatEvent, globalLogPublisher

from sigrouter.node.redaction import REDACTED, is_secret_name, redact

_KEPT = frozenset({"log_level", "log_namespace", "log_time", "log_system", "txaio_trace", "cb_namespace"})
_HIDDEN_PREFIX = "log_"


class _CleanText:
    """The text of an event, made and cleaned when somebody really writes it: debug events mostly end unread."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self._text: str | None = None

    def __str__(self) -> str:
        if self._text is None:
            text = formatEvent(dict(self._event)) if self._event.get("log_format") is not None else ""
            if "log_failure" in self._event:
                text = f"{text}\n{self._event['log_failure'].getTraceback()}"
            self._text = redact(text)
        return self._text

    __repr__ = __str__


def cleaned(event: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a log event that holds no secret: text and traceback cleaned, plain fields kept, objects dropped."""
    clean: dict[str, Any] = {"log_format": "{clean_text}", "clean_text": _CleanText(event)}
    for key, value in event.items():
        if key in _KEPT:
            clean[key] = value
        elif key.startswith(_HIDDEN_PREFIX):
            continue
        elif isinstance(value, str):
            clean[key] = REDACTED if is_secret_name(key) else redact(value)
        elif value is None or isinstance(value, bool | int | float):
            clean[key] = value
    return clean


class RedactingPublisher(LogPublisher):
    """A log publisher whose observers, present and future, see cleaned events only."""

    def __call__(self, event: Any) -> None:
        """Clean the event and pass it on."""
        super().__call__(cleaned(event))


def install(publisher: LogPublisher = globalLogPublisher) -> None:
    """Make ``publisher`` a redacting one.

    The class of the living object changes, because each logger of the process already holds this very object, and
    observers that are added later must be behind the filter too. Calling it again does nothing.
    """
    publisher.__class__ = RedactingPublisher
