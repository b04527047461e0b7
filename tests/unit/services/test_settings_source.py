"""Reading the settings of a process: the file that SIGROUTER_CONFIG names, and files with secrets."""

import socket

import pytest

from sigrouter.services.settings_source import read_settings, read_settings_with_sources
from sigrouter.settings import SettingsError

SECRET = "s" * 32


def test_the_file_that_the_environment_names_is_read(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[node]\nport = 5000\n", encoding="utf-8")
    assert read_settings({"SIGROUTER_CONFIG": str(path)}).node.port == 5000
    assert read_settings({"SIGROUTER_CONFIG": str(path), "PORT": "6000"}).node.port == 6000


def test_the_node_is_named_after_the_host():
    assert read_settings({}).node.node_id == socket.gethostname()
    assert read_settings({}, "pod-1").node.node_id == "pod-1"
    assert read_settings({"POD_NAME": "pod-2"}, "pod-1").node.node_id == "pod-2"


def test_without_arguments_the_process_own_environment_counts(monkeypatch):
    monkeypatch.setenv("POD_NAME", "from-the-process")
    assert read_settings().node.node_id == "from-the-process"


def test_secrets_come_from_files_as_platforms_mount_them(tmp_path):
    (tmp_path / "redis").write_text("pass=word,\n", encoding="utf-8")
    (tmp_path / "recovery").write_text(f"b={SECRET}\n\n  a={SECRET}  \n", encoding="utf-8")
    loaded = read_settings_with_sources(
        {"RECOVERY_SECRETS_FILE": str(tmp_path / "recovery"), "REDIS_PASSWORD_FILE": str(tmp_path / "redis")}
    )
    assert loaded.settings.recovery.secrets == (f"b={SECRET}", f"a={SECRET}")
    assert loaded.settings.store.redis_password == "pass=word,"


def test_the_callers_environment_stays_as_it_was(tmp_path):
    (tmp_path / "redis").write_text("pw", encoding="utf-8")
    environment = {"REDIS_PASSWORD_FILE": str(tmp_path / "redis")}
    read_settings(environment)
    assert environment == {"REDIS_PASSWORD_FILE": str(tmp_path / "redis")}


def test_what_is_wrong_with_files_is_said_beside_what_is_wrong_with_values(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    (tmp_path / "big").write_bytes(b"#" * 1_000_001)
    with pytest.raises(SettingsError) as caught:
        read_settings(
            {
                "SIGROUTER_CONFIG": str(tmp_path / "missing.toml"),
                "REDIS_PASSWORD_FILE": str(tmp_path / "latin"),
                "RECOVERY_SECRETS_FILE": str(tmp_path / "big"),
                "PORT": "x",
            }
        )
    text = str(caught.value)
    assert f"SIGROUTER_CONFIG (in the environment): '{tmp_path}/missing.toml' cannot be read: No such file" in text
    assert "REDIS_PASSWORD_FILE (in the environment):" in text
    assert "is not UTF-8 text" in text
    assert "is larger than 1000000 bytes" in text
    assert "node.port = 'x'" in text
    assert len(caught.value.problems) == 4


def test_a_path_that_can_be_none_is_a_problem():
    with pytest.raises(SettingsError, match="no path of a file"):
        read_settings({"SIGROUTER_CONFIG": "a\x00b"})


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_settings({"SIGROUTER_CONFIG": str(tmp_path)})


def test_a_secret_and_its_file_are_not_both_given(tmp_path):
    (tmp_path / "redis").write_text("HUSH1", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"REDIS_PASSWORD_FILE and REDIS_PASSWORD .* keep one") as caught:
        read_settings({"REDIS_PASSWORD_FILE": str(tmp_path / "redis"), "REDIS_PASSWORD": "HUSH2"})
    assert "HUSH" not in str(caught.value)
