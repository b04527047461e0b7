"""Reads the settings of this process: its environment, the files that the environment names, and the host's name."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from sigrouter.settings import Loaded, Settings, SettingsError, load_with_sources
from sigrouter.settings.catalogue import CONFIG_VARIABLE, FILE_VARIABLES

FILE_BYTES_MAX = 1_000_000


def read_settings(environment: Mapping[str, str] | None = None, hostname: str | None = None) -> Settings:
    """The settings in force; without arguments those of this process. Raises ``SettingsError`` with all problems."""
    return read_settings_with_sources(environment, hostname).settings


def read_settings_with_sources(environment: Mapping[str, str] | None = None, hostname: str | None = None) -> Loaded:
    """Like :func:`read_settings`, and tells where each value came from."""
    given = dict(os.environ if environment is None else environment)
    problems: list[str] = []
    toml_text = None
    if path := given.get(CONFIG_VARIABLE, "").strip():
        toml_text = _text(CONFIG_VARIABLE, path, problems)
    for variable, target in FILE_VARIABLES.items():
        if not (path := given.get(variable, "").strip()):
            continue
        if given.get(target, "").strip():
            problems.append(f"{variable} and {target} (in the environment) set the same; keep one")
            continue
        lines = (_text(variable, path, problems) or "").splitlines()
        given[target] = ",".join(line.strip() for line in lines if line.strip())
    try:
        loaded = load_with_sources(toml_text, given, socket.gethostname() if hostname is None else hostname)
    except SettingsError as error:
        problems.extend(error.problems)
    if problems:
        raise SettingsError(tuple(problems))
    return loaded


def _text(variable: str, path: str, problems: list[str]) -> str | None:
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            problems.append(f"{variable} (in the environment): {path!r} is larger than {FILE_BYTES_MAX} bytes")
            return None
        return content.decode()
    except UnicodeDecodeError:
        problems.append(f"{variable} (in the environment): {path!r} is not UTF-8 text")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no path of a file"
        problems.append(f"{variable} (in the environment): {path!r} cannot be read: {why}")
    return None
