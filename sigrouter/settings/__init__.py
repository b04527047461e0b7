"""What an operator may set, and how it is read."""

from sigrouter.settings.load import Loaded as Loaded
from sigrouter.settings.load import load as load
from sigrouter.settings.load import load_with_sources as load_with_sources
from sigrouter.settings.model import Settings as Settings
from sigrouter.settings.problems import SettingsError as SettingsError
