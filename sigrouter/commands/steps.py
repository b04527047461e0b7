"""The steps of a handover as ``sig.admin.handover`` answers them."""

from collections.abc import Iterable, Mapping
from typing import Any

from sigrouter.stores.records import Step


def steps_from_wire(steps: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The answer's mappings as steps."""
    return tuple(
        Step(one["session_id"], one["role"], one["step"], one["at"], one["node_id"], one["detail"]) for one in steps
    )
