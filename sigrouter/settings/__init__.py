"""What an operator may set, and how it is read."""

from sigrouter.settings.model import Settings as Settings
