"""Stands between all loggers of this process and all that write their events down: secrets go, and so does chatter."""

from collections.abc import Mapping
from typing import Any

from twisted.logger import LogLevel, LogPublisher, formatEvent, globalLogPublisher

from sigrouter.node.redaction import REDACTED, is_secret_name, redact

_KEPT = frozenset({"log_level", "log_namespace", "log_time", "log_system", "txaio_trace", "cb_namespace"})
_HIDDEN_PREFIX = "log_"
_CHATTY = ("crossbar", "autobahn", "twisted", "txaio")


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
        if key == "clean_text":
            continue  # A worker's own, which came along in its event with all braces doubled.
        if key in _KEPT:
            clean[key] = value
        elif key.startswith(_HIDDEN_PREFIX):
            continue
        elif isinstance(value, str):
            clean[key] = REDACTED if is_secret_name(key) else redact(value)
        elif value is None or isinstance(value, bool | int | float):
            clean[key] = value
    return clean


def is_quiet(log_level: str) -> bool:
    """Whether a node with this setting leaves the libraries' chatter out; whoever asks for debug wants it."""
    return log_level not in ("debug", "trace")


def is_chatter(event: Mapping[str, Any]) -> bool:
    """Whether the libraries tell, at info, of their own inside: hundreds of lines for each start of a node."""
    # What a worker process said reaches the controller's log under `cb_namespace`.
    namespace = event.get("cb_namespace") or event.get("log_namespace") or ""
    return event.get("log_level") is LogLevel.info and str(namespace).startswith(_CHATTY)


class FilteringPublisher(LogPublisher):
    """A log publisher whose observers, present and future, see cleaned events only; ``quiet``: and no chatter."""

    quiet = False

    def __call__(self, event: Any) -> None:
        """Clean the event and pass it on."""
        if not (self.quiet and is_chatter(event)):
            super().__call__(cleaned(event))


def install(publisher: LogPublisher = globalLogPublisher, *, quiet: bool = False) -> None:
    """Make ``publisher`` a filtering one; ``quiet`` drops the libraries' chatter.

    The class of the living object changes, because each logger of the process already holds this very object, and
    observers that are added later must be behind the filter too. It may be called again.
    """
    publisher.__class__ = FilteringPublisher
    publisher.quiet = quiet  # type: ignore[attr-defined]  # its class is the one above now
