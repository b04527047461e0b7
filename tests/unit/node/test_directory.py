"""Each node has a writable directory of its own, wherever it is started."""

from pathlib import Path

import pytest

from sigrouter.node.configuration import shipped_configuration
from sigrouter.node.directory import prepare
from sigrouter.settings.model import NodeSettings

NODE = NodeSettings(node_id="pod/7")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".crossbar").mkdir()
    (tmp_path / ".crossbar" / "config.json").write_text("{}")
    return tmp_path


def test_in_a_clone_its_own_directory_serves(clone: Path):
    assert prepare(None, NODE, own_state=False) == clone / ".crossbar"
    assert (clone / ".crossbar" / "config.json").read_text() == "{}"


def test_nodes_with_a_chosen_state_directory_do_not_meet_and_follow_the_clones_file(clone: Path):
    first = prepare(None, NODE, own_state=True)
    second = prepare(None, NodeSettings(node_id="pod-8"), own_state=True)
    assert first.parent == second.parent == clone / ".sigrouter" / "nodes"
    assert first != second
    assert (first / "config.json").read_text() == "{}"
    (clone / ".crossbar" / "config.json").write_text('{"changed": 1}')
    assert (prepare(None, NODE, own_state=True) / "config.json").read_text() == '{"changed": 1}'


def test_without_a_clone_the_shipped_file_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    directory = prepare(None, NODE, own_state=False)
    assert (directory / "config.json").read_text() == shipped_configuration()


def test_a_given_directory_keeps_its_own_file(clone: Path):
    given = clone / "given"
    assert (prepare(str(given), NODE, own_state=False) / "config.json").read_text() == "{}"
    (given / "config.json").write_text('{"mine": 1}')
    assert (prepare(str(given), NODE, own_state=True) / "config.json").read_text() == '{"mine": 1}'


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        prepare(str(tmp_path / "file" / "below"), NODE, own_state=False)
