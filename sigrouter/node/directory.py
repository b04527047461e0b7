"""The node directory: where Crossbar keeps its pid file and key, and finds its configuration."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sigrouter.node.configuration import shipped_configuration
from sigrouter.settings.model import NodeSettings

CLONE: Final = Path(".crossbar")
CONFIGURATION: Final = "config.json"


def prepare(explicit: str | None, node: NodeSettings, *, own_state: bool) -> Path:
    """A writable node directory with a configuration file in it, as an absolute path.

    ``explicit`` (``--cbdir``) wins. Else a clone's ``.crossbar`` serves, unless somebody chose a state directory
    (``own_state``): nodes cannot share one pid file, so such a node gets ``<state_dir>/nodes/<node_id>`` with a copy.
    Raises ``OSError`` if it cannot be written.
    """
    if explicit is not None:
        return _filled(Path(explicit))
    if not own_state and (CLONE / CONFIGURATION).is_file() and os.access(CLONE, os.W_OK):
        return CLONE.resolve()
    return _filled(Path(node.state_dir) / "nodes" / quote(node.node_id, safe=""), refresh=True)


def _filled(directory: Path, *, refresh: bool = False) -> Path:
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK):
        raise PermissionError(f"the node directory {directory} is not writable")
    target = directory / CONFIGURATION
    if refresh or not target.exists():
        target.write_text(_source(), encoding="utf-8")
    return directory


def _source() -> str:
    """The configuration of the clone we stand in, which its owner may have changed; else the shipped one."""
    mine = CLONE / CONFIGURATION
    return mine.read_text(encoding="utf-8") if mine.is_file() else shipped_configuration()
