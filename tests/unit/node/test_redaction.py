"""No secret survives in a log line, however Crossbar and Autobahn spell it; everything else does."""

from pprint import pformat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogLevel, LogPublisher, formatEvent

from sigrouter.node.log_filter import FilteringPublisher, cleaned, install, is_quiet
from sigrouter.node.redaction import REDACTED, redact

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU"
COOKIE = "plain value that is no jwt 7c1f with many words so that pprint has to cut it into several pieces"


@pytest.mark.parametrize(
    "line",
    [
        f"ticket {JWT} refused",
        f"Authenticate(signature={JWT}, extra={{}})",
        pformat({"recovery_token": JWT, "stack": "blue"}),
        pformat({"recovery_token": "short", "sdk": JWT}),
        repr(f'[5,"{JWT}",{{}}]'.encode()),
        f"token={JWT[:40]}",
        JWT.encode().hex(),
        f"GET /ws?access_token={JWT} HTTP/1.1",
    ],
)
def test_a_token_does_not_survive(line: str):
    clean = redact(line)
    assert REDACTED in clean
    for part in (JWT, JWT[:20], JWT.rpartition(".")[2], JWT.encode().hex()):
        assert part not in clean


@pytest.mark.parametrize(
    "line",
    [
        pformat({"cookie": f"session={COOKIE}", "host": "here"}),
        pformat({"headers": {"host": "here", "cookie": f"session={COOKIE}"}}),
        repr(f"GET / HTTP/1.1\r\nCookie: session={COOKIE}\r\nHost: here\r\n\r\n".encode()),
        f"GET / HTTP/1.1\r\nCookie: session={COOKIE}\r\nHost: here\r\n\r\n",
        f"{{'cookie': 'session={COOKIE}', 'host': 'here'}}",
    ],
)
def test_a_cookie_goes_whole_and_the_rest_of_the_request_stays(line: str):
    clean = redact(line)
    assert "here" in clean
    for word in ("session", "7c1f", "pprint", "pieces"):
        assert word not in clean


@pytest.mark.parametrize(
    "line", ["password='hunter 2'", 'secret: "hunter 2"', "redis_password=hunter2", "Authorization: Bearer hunter2"]
)
def test_what_is_named_a_secret_goes_whatever_it_looks_like(line: str):
    assert "hunter" not in redact(line)
    assert " 2" not in redact(line)


@pytest.mark.parametrize(
    "line",
    [
        "authmethod=ticket",
        "{'ticket': {'type': 'dynamic', 'authenticator': 'sig.internal.authenticate'}}",
        "recovery_token=None",
        "token_ttl_s=900",
        "sigrouter.node.personality.Personality",
        "session 7485296332498753 left",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_harmless_lines_stay_as_they_are(line: str):
    assert redact(line) == line


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_jwt_goes_from_any_text(before: str, after: str):
    assert JWT not in redact(before + JWT + after)


def logged(emit) -> list[dict]:
    events: list[dict] = []
    publisher = LogPublisher()
    install(publisher)
    publisher.addObserver(events.append)
    emit(Logger(observer=publisher))
    return events


def test_every_observer_sees_clean_text_clean_fields_and_no_objects():
    (event,) = logged(
        lambda log: log.info(
            "hello {authextra} {user}", authextra={"recovery_token": JWT}, user="ann", ticket="t", count=3
        )
    )
    assert str(event["clean_text"]) == f"hello {{'recovery_token': {REDACTED}}} ann"
    assert (event["user"], event["ticket"], event["count"]) == ("ann", REDACTED, 3)
    assert "authextra" not in event
    assert JWT not in repr(event)


def test_a_traceback_is_logged_and_cleaned():
    def fail(log: Logger) -> None:
        try:
            raise ValueError(JWT)
        except ValueError:
            log.failure("it broke")

    (event,) = logged(fail)
    text = str(event["clean_text"])
    assert "it broke" in text
    assert "ValueError" in text
    assert JWT not in text
    assert "log_failure" not in event


def test_the_text_of_an_event_that_nobody_writes_is_never_made():
    class Costly:
        made = 0

        def __repr__(self) -> str:
            Costly.made += 1
            return "costly"

    (event,) = logged(lambda log: log.debug("{it!r}", it=Costly()))
    assert Costly.made == 0
    assert (str(event["clean_text"]), str(event["clean_text"]), Costly.made) == ("costly", "costly", 1)


def test_what_a_worker_says_reaches_the_controllers_log_with_single_braces():
    # Crossbar sends a worker's line as a format, and with it every field of the event.
    from_worker = {
        "log_format": "refused: {{'a': 1}}",
        "clean_text": "refused: {{'a': 1}}",
        "cb_namespace": "sigrouter",
    }
    assert formatEvent(cleaned(from_worker)) == "refused: {'a': 1}"


def test_installing_twice_is_installing_once():
    publisher = LogPublisher()
    install(publisher)
    install(publisher)
    assert type(publisher) is FilteringPublisher


def test_an_event_without_a_format_is_no_problem():
    assert str(cleaned({"log_format": None})["clean_text"]) == ""


def test_a_quiet_publisher_leaves_out_what_libraries_tell_at_info_and_nothing_else() -> None:
    written: list[str] = []
    publisher = LogPublisher(lambda event: written.append(formatEvent(event)))
    install(publisher, quiet=True)
    for namespace in ("crossbar.router", "sigrouter.services.pod"):
        for level in (LogLevel.info, LogLevel.warn):
            publisher({"log_level": level, "log_namespace": namespace, "log_format": f"{namespace} {level.name}"})
    publisher({"log_level": LogLevel.info, "log_namespace": "x", "cb_namespace": "crossbar", "log_format": "relayed"})
    assert written == ["crossbar.router warn", "sigrouter.services.pod info", "sigrouter.services.pod warn"]
    install(publisher, quiet=False)
    publisher({"log_level": LogLevel.info, "log_namespace": "crossbar.router", "log_format": "asked for"})
    assert written[-1] == "asked for"
    assert not is_quiet("debug")
    assert is_quiet("info")
