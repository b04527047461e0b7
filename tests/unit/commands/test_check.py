"""``sigrouter check`` shows what is in force, hides secrets, and fails on anything that would stop the node."""

import json
from pathlib import Path

from sigrouter.settings.catalogue import SETTINGS
from tests.unit.commands.running import run
from tests.unit.services.jwt_making import jwk, write_public

SECRETS = f"k=HUSH{'s' * 32}"


def production(directory: Path, **more: str) -> dict[str, str]:
    return {"JWT_PUBLIC_KEY_FILE": write_public(directory, "main"), "RECOVERY_SECRETS": SECRETS, **more}


def test_every_setting_is_shown_with_its_source():
    result = run("check", PORT="5005")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.split("\n\n")[0].splitlines()}
    assert list(lines) == [setting.key for setting in SETTINGS]
    assert "5005" in lines["node.port"]
    assert lines["node.port"].endswith("PORT in the environment")
    assert lines["node.admin_port"].endswith("the default")
    assert "Development: no JWT keys are given" in result.stdout


def test_only_what_differs_is_shown_on_request(tmp_path):
    result = run("check", "--changed", **production(tmp_path, HOST="0.0.0.0"))
    assert [line.split()[0] for line in result.stdout.split("\n\n")[0].splitlines()] == [
        "node.node_id", "node.host", "store.kind", "auth.keys", "recovery.secrets",
    ]  # fmt: skip
    assert "JWT keys: main." in result.stdout


def test_no_secret_is_shown(tmp_path):
    for options in ((), ("--json",)):
        result = run("check", *options, **production(tmp_path, REDIS_HOST="redis", REDIS_PASSWORD="HUSH"))
        assert result.exit_code == 0
        assert "HUSH" not in result.output
        assert "(set, not shown)" in result.output


def test_the_answer_can_be_json(tmp_path):
    document = json.loads(run("check", "--json", **production(tmp_path)).stdout)
    assert document["development"] is False
    assert document["jwt_kids"] == ["main"]
    assert document["settings"]["node.port"] == {"value": 4001, "from": "the default"}
    assert document["settings"]["store.redis_password"]["value"] == "(not set)"
    assert len(document["settings"]) == len(SETTINGS)


def test_a_key_file_that_cannot_be_used_is_a_problem(tmp_path):
    write_public(tmp_path, "main")
    result = run("check", JWT_KEYS=f"a={tmp_path}/none.pem,b={tmp_path}/main.pem", RECOVERY_SECRETS=SECRETS)
    assert result.exit_code == 1
    assert f"The JWT key {tmp_path}/none.pem cannot be read: No such file or directory" in result.stderr
    assert result.stdout == ""


def test_a_jwks_with_an_unnamed_key_is_shown_as_such(tmp_path):
    entry = jwk("main")
    del entry["kid"]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [entry]}), encoding="utf-8")
    result = run("check", JWT_JWKS_FILE=str(tmp_path / "jwks.json"), RECOVERY_SECRETS=SECRETS)
    assert "JWT keys: (without kid)." in result.stdout


def test_checking_makes_no_keys(tmp_path):
    assert run("check", STATE_DIR=str(tmp_path / "state")).exit_code == 0
    assert not (tmp_path / "state").exists()
