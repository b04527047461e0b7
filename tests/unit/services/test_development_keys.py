"""Development keys are made once, kept for the owner only, and the same for all who ask."""

import subprocess
import sys
import threading

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.task import Clock

from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.development_keys import PRIVATE_KEY_FILE, SECRET_FILE, _write, development_keys
from sigrouter.services.recovery import RecoveryClaims, RecoveryTokens
from sigrouter.settings import SettingsError
from sigrouter.settings.model import AuthSettings, RecoverySettings
from tests.unit.services.jwt_making import NOW, claims

EC_KEY = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SHOW = (
    "import sys; from sigrouter.services.development_keys import development_keys as d; k = d(sys.argv[1]); "
    "print(k.kid, k.recovery_secret)"
)


def test_keys_are_made_once(tmp_path):
    first = development_keys(tmp_path / "a" / "state")
    second = development_keys(str(tmp_path / "a" / "state"))
    assert first.kid == second.kid
    assert first.recovery_secret == second.recovery_secret
    assert first.private_key.private_numbers() == second.private_key.private_numbers()
    assert development_keys(tmp_path / "b").kid != first.kid


def test_the_keys_sign_and_verify(tmp_path):
    keys = development_keys(tmp_path)
    token = jwt.encode(claims(), keys.private_key, "RS256", headers={"kid": keys.kid})
    extra = JwtVerifier.from_settings(AuthSettings(), keys.public_keys, now=lambda: NOW)
    assert extra.verify(token).user_id == "alice"
    from_file = JwtVerifier.from_settings(AuthSettings(keys=(str(keys.public_key_file),)), now=lambda: NOW)
    assert from_file.kids == (keys.kid,)
    assert from_file.verify(token).user_id == "alice"
    recovery = RecoveryTokens.from_settings(RecoverySettings(), Clock(), keys.recovery_secret)
    held = RecoveryClaims("s", "u", "client", 1)
    assert recovery.read(recovery.issue(held)) == held


def test_only_the_owner_can_read_them(tmp_path):
    keys = development_keys(tmp_path / "state")
    assert keys.directory.stat().st_mode & 0o777 == 0o700
    assert len(list(keys.directory.iterdir())) == 4
    for path in keys.directory.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path):
    development_keys(tmp_path)
    (tmp_path / PRIVATE_KEY_FILE).chmod(0o644)
    development_keys(tmp_path)
    assert (tmp_path / PRIVATE_KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_processes_that_race_get_the_same_keys(tmp_path):
    racers = [
        subprocess.Popen([sys.executable, "-c", SHOW, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [racer.communicate(timeout=50)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert len(set(answers)) == 1
    assert answers[0].startswith("dev-")


def test_threads_that_race_get_the_same_keys(tmp_path):
    start, kids = threading.Barrier(6), []

    def race() -> None:
        start.wait()
        kids.append(development_keys(tmp_path).kid)

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kids) == 6
    assert len(set(kids)) == 1


@pytest.mark.parametrize("name", [PRIVATE_KEY_FILE, SECRET_FILE])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"k=short", EC_KEY])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, name, content):
    development_keys(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match="is damaged; remove it to have a new one made") as caught:
        development_keys(tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    (tmp_path / name).unlink()
    assert development_keys(tmp_path).kid


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"Development keys cannot be kept in .*: Not a directory"):
        development_keys(tmp_path / "file" / "state")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    target = tmp_path / "key"
    (target / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        _write(target, b"secret")
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_secret_stands_in_their_text(tmp_path):
    keys = development_keys(tmp_path)
    text = repr(keys) + keys.where
    assert keys.recovery_secret[1] not in text
    assert "RSAPrivateKey" not in text
    assert str(tmp_path) in keys.where
