"""Turns what stands in the environment or the TOML file into the type of the setting, or says what is wrong."""

import math
import re
from typing import Final

from sigrouter.settings.catalogue import Kind

Value = str | int | float | tuple[str, ...]

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
TEXT_MAX: Final = 4096


def from_variable(kind: Kind, text: str) -> Value:
    """The value of an environment variable; a ``ValueError`` in words. Lists are separated by commas."""
    text = text.strip()
    if kind == "whole":
        if not _WHOLE.fullmatch(text):
            raise ValueError("must be a whole number")
        return int(text)
    if kind == "number":
        if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            raise ValueError("must be a number")
        return float(text)
    if kind == "texts":
        return tuple(_text(part.strip()) for part in text.split(",") if part.strip())
    return _text(text)


def from_toml(kind: Kind, value: object) -> Value:
    """The value of a TOML key; a ``ValueError`` in words. Types are not guessed: ``port = "4001"`` is an error."""
    if kind == "whole":
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number (without quotes)")
        return value
    if kind == "number":
        return _number(value)
    if kind == "texts":
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise ValueError("must be a list of texts")
        return tuple(_text(part) for part in value)
    if not isinstance(value, str):
        raise ValueError("must be a text (in quotes)")
    return _text(value)


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a number (without quotes)")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _text(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError("must not hold control characters")
    if len(text) > TEXT_MAX:
        raise ValueError(f"must not be longer than {TEXT_MAX} characters")
    return text
