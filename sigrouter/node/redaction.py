"""Takes tokens out of whatever is about to be logged, by anyone, at any level.

Crossbar logs each session's ``authextra`` at info, HTTP headers with their cookies at debug and whole WAMP messages at
trace. Asking every line to behave cannot work, so the text is cleaned at the one place that all lines pass.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_NAMES: Final = ("token", "ticket", "jwt", "signature", "password", "passwd", "secret", "secrets")
_KINDS: Final = ("recovery_", "access_", "refresh_", "id_", "redis_")
_SECRET_NAMES: Final = f"(?:{'|'.join(_KINDS)})?(?:{'|'.join(_NAMES)})"
# In the repr of bytes a line break is a backslash and a letter, which would hide the beginning of the next word.
_START: Final = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt]))"
# pprint cuts a long text into several literals, one below the other.
_LITERAL: Final = r"""\(?(?:\s*b?"(?:[^"\\]|\\.)*")+|\(?(?:\s*b?'(?:[^'\\]|\\.)*')+"""
_HEADERS: Final = re.compile(
    rf"""{_START}((?:set-)?cookie|(?:proxy-)?authorization)(["']?\s*[:=]\s*\[?)({_LITERAL}|[^\r\n"'\\]+)""",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    rf"""{_START}((?:{_SECRET_NAMES})["']?\s*[:=]\s*)({_LITERAL}|(?!None\b|\{{)[^\s,;&)}}\]"']+)""", re.IGNORECASE
)
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*")
_SIGNED: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}(?![A-Za-z0-9_])")
_OCTETS: Final = re.compile(r"(?:[0-9a-fA-F]{2}){80,}")


def redact(text: str) -> str:
    """``text`` without JWTs, recovery tokens, tickets, cookies, passwords and raw octets.

    What is named like a secret goes, and so does what looks like one, whatever it is called.
    """
    text = _HEADERS.sub(rf"\1\2{REDACTED}", text)
    text = _NAMED.sub(rf"\1{REDACTED}", text)
    text = _JWT.sub(REDACTED, text)
    text = _SIGNED.sub(REDACTED, text)
    return _OCTETS.sub(REDACTED, text)


def is_secret_name(name: str) -> bool:
    """Whether a structured log field of this name must not show its value."""
    return re.fullmatch(rf"(?:{_SECRET_NAMES}|cookie|authorization|authextra)", name, re.IGNORECASE) is not None
