"""Reads all settings from a TOML text and the environment, and says everything that is wrong at once.

A setting comes from, in this order: its long variable ``SIGROUTER_<SECTION>_<NAME>``, its short variable
(:data:`~sigrouter.settings.catalogue.SHORT_NAMES`), the TOML file, its default. An empty variable counts as not set,
because compose files and charts pass variables on whether they are set or not.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from attrs import define, field, fields, frozen

from sigrouter.settings.catalogue import (
    BY_KEY,
    MODELS,
    SECTIONS,
    SETTINGS,
    Setting,
    is_service_link,
    nearest,
    unknown_variables,
)
from sigrouter.settings.checks import between, problem_of
from sigrouter.settings.convert import Value, from_toml, from_variable
from sigrouter.settings.model import Settings
from sigrouter.settings.problems import SettingsError

FROM_DEFAULT = "the default"
FROM_HOSTNAME = "the host's name"

_CREDENTIALS = re.compile(r"//[^/@]*@")  # A URL in the wrong place, as in REDIS_HOST, may hold a password.


@frozen
class Loaded:
    """The settings, and for each ``section.name`` where its value came from, in words."""

    settings: Settings
    sources: Mapping[str, str]


def load(toml_text: str | None, environment: Mapping[str, str], hostname: str = "localhost") -> Settings:
    """The settings. ``hostname`` becomes the ``node_id`` unless one is given. Raises :class:`SettingsError`."""
    return load_with_sources(toml_text, environment, hostname).settings


def load_with_sources(toml_text: str | None, environment: Mapping[str, str], hostname: str = "localhost") -> Loaded:
    """Like :func:`load`, and tells where each value came from."""
    reading = _Reading(hostname)
    tables = reading.parse(toml_text)
    for setting in SETTINGS:
        reading.read(setting, environment, tables.get(setting.section, {}))
    reading.fill_in()
    reading.problems.extend(unknown_variables(environment))
    reading.problems.extend(between(reading.values, reading.describe))
    if reading.problems:
        raise SettingsError(tuple(reading.problems))
    return Loaded(_settings(reading.values), dict(reading.sources))


@define
class _Reading:
    """What was read so far. ``values`` holds only those that are right by themselves."""

    hostname: str
    values: dict[str, Value] = field(factory=dict)
    sources: dict[str, str] = field(factory=dict)
    problems: list[str] = field(factory=list)

    def parse(self, toml_text: str | None) -> Mapping[str, Mapping[str, object]]:
        """The known tables of the TOML text."""
        try:
            document = tomllib.loads(toml_text or "")
        except (ValueError, RecursionError) as error:
            self.problems.append(f"The TOML file cannot be read: {error}")
            return {}
        tables = {}
        for section, table in document.items():
            if section not in SECTIONS:
                self.problems.append(f"[{section}] (in the TOML file) is not a section{nearest(section, SECTIONS)}")
            elif not isinstance(table, dict):
                self.problems.append(f"{section} (in the TOML file) must be a section: [{section}]")
            else:
                tables[section] = table
                names = tuple(setting.name for setting in SETTINGS if setting.section == section)
                for name in table:
                    if name not in names:
                        self.problems.append(
                            f"{section}.{name} (in the TOML file) is not a setting{nearest(name, names)}"
                        )
        return tables

    def read(self, setting: Setting, environment: Mapping[str, str], table: Mapping[str, object]) -> None:
        """Take one setting from where it is given; note what is wrong with it."""
        key = setting.key
        variable = self._variable(setting, environment)
        raw: object
        if variable:
            raw = environment[variable]
            self.sources[key] = f"{variable} in the environment"
        elif setting.name in table:
            raw = table[setting.name]
            self.sources[key] = "the TOML file"
        else:
            self.sources[key] = FROM_DEFAULT
            self.values[key] = setting.default  # type: ignore[assignment]  # the model's own
            return
        try:
            value = from_variable(setting.kind, str(raw)) if variable else from_toml(setting.kind, raw)
        except ValueError as error:
            self._wrong(setting, raw, str(error))
            return
        self.values[key] = value
        # An empty text asks for the default or for a value that fill_in finds.
        if value != setting.default and (wrong := problem_of(key, value)):
            del self.values[key]
            self._wrong(setting, raw, wrong)

    def fill_in(self) -> None:
        """Give the settings their values that follow from others when they are left empty."""
        if self.values.get("node.node_id") == "":
            self.values["node.node_id"] = self.hostname
            self.sources["node.node_id"] = FROM_HOSTNAME
            if wrong := problem_of("node.node_id", self.hostname):
                del self.values["node.node_id"]
                self._wrong(BY_KEY["node.node_id"], self.hostname, wrong)
        if self.values.get("store.kind") == "":
            if "store.redis_host" in self.values:
                self.values["store.kind"] = "redis" if self.values["store.redis_host"] else "memory"
                self.sources["store.kind"] = "store.redis_host"
            else:
                del self.values["store.kind"]

    def describe(self, key: str) -> str:
        """A setting with value and source, for a sentence."""
        shown = "" if BY_KEY[key].secret else f" = {self.values[key]!r}"
        return f"{key}{shown} (from {self.sources[key]})"

    def _variable(self, setting: Setting, environment: Mapping[str, str]) -> str:
        given = [
            name
            for name in (setting.variable, *setting.short)
            if environment.get(name, "").strip() and not is_service_link(environment[name])
        ]
        if len(given) > 1 and setting.variable not in given and len({environment[name] for name in given}) > 1:
            self.problems.append(f"{setting.key}: {' and '.join(given)} (in the environment) set it twice; keep one")
        return given[0] if given else ""

    def _wrong(self, setting: Setting, raw: object, wrong: str) -> None:
        shown = "" if setting.secret else f" = {_shortened(raw)}"
        self.problems.append(f"{setting.key}{shown} (from {self.sources[setting.key]}) {wrong}")


def _shortened(raw: object) -> str:
    text = _CREDENTIALS.sub("//...@", ascii(raw))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _settings(values: Mapping[str, Value]) -> Settings:
    sections: dict[str, Any] = {
        section: model(**{one.name: values[f"{section}.{one.name}"] for one in fields(model)})
        for section, model in MODELS.items()
    }
    return Settings(**sections, development=not (values["auth.keys"] or values["auth.jwks"]))
