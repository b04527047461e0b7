"""``sigrouter keys`` makes keys that a node takes, and prints only what is public."""

import json

from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.development_keys import development_keys
from sigrouter.settings.model import AuthSettings
from tests.unit.commands.running import run


def test_the_public_keys_go_to_stdout_and_the_words_to_stderr(tmp_path):
    result = run("keys", STATE_DIR=str(tmp_path))
    assert result.exit_code == 0
    (entry,) = json.loads(result.stdout)["keys"]
    assert set(entry) == {"kty", "kid", "use", "alg", "n", "e"}
    assert entry["kid"] == development_keys(tmp_path).kid
    assert f"Development keys are in {tmp_path}" in result.stderr
    assert development_keys(tmp_path).recovery_secret[1] not in result.output


def test_keys_that_are_there_stay(tmp_path):
    assert run("keys", STATE_DIR=str(tmp_path)).stdout == run("keys", STATE_DIR=str(tmp_path)).stdout


def test_a_directory_of_keys_serves_a_node_that_is_given_its_files(tmp_path):
    directory = tmp_path / "out"
    result = run("keys", "--out", str(directory))
    assert result.exit_code == 0
    given = dict(line.strip().split("=", 1) for line in result.stderr.splitlines() if "=" in line)
    assert set(given) == {"JWT_JWKS_FILE", "RECOVERY_SECRETS_FILE"}
    assert run("check", HOST="0.0.0.0", **given).exit_code == 0
    token = run("token", "--user", "a", "--key", str(directory / "development-key.pem"), **given).stdout.strip()
    assert JwtVerifier.from_settings(AuthSettings(jwks=given["JWT_JWKS_FILE"])).verify(token).user_id == "a"


def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = run("keys", STATE_DIR=str(tmp_path / "file" / "state"))
    assert result.exit_code == 1
    assert "Development keys cannot be kept in" in result.stderr
