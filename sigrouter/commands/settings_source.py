"""Moved to ``sigrouter.services.settings_source``: the wiring may not import a command."""

from sigrouter.services.settings_source import read_settings as read_settings
from sigrouter.services.settings_source import read_settings_with_sources as read_settings_with_sources
