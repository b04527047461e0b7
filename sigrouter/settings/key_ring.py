"""How an entry of a key ring is written: ``kid=value``, where the kid names the key in a token's header."""

import re
from pathlib import PurePath
from typing import Final

KID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SECRET_BYTES_MIN: Final = 32  # HMAC-SHA-256 is as strong as its key up to this length (RFC 7518, section 3.2).


def key_file(entry: str) -> tuple[str, str]:
    """``(kid, path)`` of ``kid=path`` or of ``path``, whose kid is the file's name without suffix."""
    kid, separator, path = entry.partition("=")
    if separator and "/" not in kid:
        return kid.strip(), path.strip()
    return PurePath(entry).stem, entry


def named_secret(entry: str) -> tuple[str, str]:
    """``(kid, secret)`` of ``kid=secret``. Any other form is a ``ValueError`` that tells nothing."""
    kid, separator, secret = entry.partition("=")
    if not separator or not KID.fullmatch(kid) or not secret:
        raise ValueError("not of the form kid=secret")
    return kid, secret
