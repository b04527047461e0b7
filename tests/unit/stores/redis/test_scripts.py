"""The scripts are whole: every file is used, every name in them is known, and refusals of Redis are told from bugs."""

import re
from importlib.resources import files

import pytest
import pytest_twisted
from twisted.internet import reactor

from sigrouter.protocol.errors import Unavailable
from sigrouter.settings.model import StoreSettings
from sigrouter.stores import redis
from sigrouter.stores.redis.keys import CONSTANTS
from sigrouter.stores.redis.link import Link
from sigrouter.stores.redis.scripts import PARTS, ConnectionGone, ResponseError, Scripts, assemble
from tests.contract.case import CaseTimes


def test_every_lua_file_is_used() -> None:
    there = {file.name.removesuffix(".lua") for file in files(redis).iterdir() if file.name.endswith(".lua")}
    assert there == {"base"} | set(PARTS) | {part for parts in PARTS.values() for part in parts}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_script_defines_every_name_in_capitals_that_it_uses(name: str) -> None:
    text = assemble(CaseTimes())[name].text.decode()
    code = re.sub(r"--.*|'[^'\n]*'", "", text)
    used = set(re.findall(r"\b[A-Z][A-Z_]{3,}\b", code)) - {"ARGV"}
    defined = set(re.findall(r"local ([A-Z][A-Z_]+) =", text)) | {
        one.strip() for names in re.findall(r"local ([A-Z_, ]+) =", text) for one in names.split(",")
    }
    assert used <= defined


def test_no_name_in_redis_is_the_beginning_of_one_of_another_kind_by_accident() -> None:
    assert len(set(CONSTANTS.values())) == len(CONSTANTS)


def test_other_settings_are_other_scripts() -> None:
    digests = [assemble(CaseTimes(mailbox_entries=bound))["send"].digest for bound in (10, 11)]
    assert digests[0] != digests[1]


class FakeWire:
    """Answers every command with the same error."""

    connected = 1

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.aborted: list[str] = []

    def ask(self, *command: bytes) -> object:
        raise self.error

    def abort(self, why: str) -> None:
        self.aborted.append(why)


def scripts_on(wire: FakeWire) -> Scripts:
    link = Link("test", StoreSettings(), reactor, lambda: None, lambda wire: None, lambda: 0.5, lambda: None)  # type: ignore[arg-type,return-value] - neither is called
    link.wire = wire  # type: ignore[assignment] - a fake
    return Scripts(CaseTimes(), link, None)


@pytest.mark.parametrize(
    "text",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica. script: abc, on @user_script:1.",
        "ERR Error running script (call to f_1): @user_script:12: -OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "NOAUTH Authentication required.",
        "ERR max number of clients reached",
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_redis_that_does_not_serve_is_unavailable_and_says_no_more(text: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await scripts_on(FakeWire(ResponseError(text))).command(b"PING")
    assert raised.value.__suppress_context__
    assert raised.value.details() == {"message": "The store is unavailable", "retry_after_s": 0.5}


@pytest.mark.parametrize("text", ["READONLY no", "LOADING yet"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_may_not_be_the_right_one_is_left(text: str) -> None:
    wire = FakeWire(ResponseError(text))
    with pytest.raises(Unavailable):
        await scripts_on(wire).command(b"PING")
    assert wire.aborted


@pytest_twisted.ensureDeferred
async def test_a_lost_connection_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await scripts_on(FakeWire(ConnectionGone("Lost connection"))).command(b"PING")


@pytest_twisted.ensureDeferred
async def test_a_bug_of_ours_stays_a_bug() -> None:
    with pytest.raises(ResponseError):
        await scripts_on(FakeWire(ResponseError("WRONGTYPE Operation against a key"))).command(b"GET")
