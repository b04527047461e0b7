"""Where the processes of a node get their settings from: the same in the controller and the worker."""

from sigrouter.services import settings_source
from sigrouter.settings.model import Settings


def read_settings() -> Settings:
    """The settings of this process. Raises :class:`~sigrouter.settings.problems.SettingsError` with all problems."""
    return settings_source.read_settings()
