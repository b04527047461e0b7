"""Times as operators read them."""

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """Seconds since the epoch as a time of day in UTC with its date; empty for 0."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def duration(milliseconds: float) -> str:
    """Milliseconds in the unit that fits."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
