"""What the audience sees at one moment of the demo."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen


@frozen
class NodeView:
    """``state``: not started, starting, ready, draining, or ended with its exit code."""

    name: str
    state: str
    sessions: int


@frozen
class Scene:
    """``phase`` in words; ``ledger`` is the ledger's report as a mapping, empty before anybody talks."""

    phase: str
    nodes: tuple[NodeView, ...]
    ledger: Mapping[str, Any]
    per_second: float
    faults: tuple[str, ...]
    seconds: float

    def figure(self, name: str) -> int:
        """A count of the ledger."""
        return int(self.ledger.get(name, 0))

    @property
    def worst_gap_ms(self) -> float:
        """The longest silence of any pair since the green node was ready."""
        return float(self.ledger.get("worst_gap", {}).get("max", 0.0))
