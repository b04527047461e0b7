"""What must hold after every chaos run, whatever broke in it: a list of complaints, which is empty."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

COMPLAINTS_OF_A_PROGRAM: Final = re.compile(
    r"Traceback|Unhandled error|unhandled message|Unhandled Error|a bug in|never awaited|was never retrieved",
    re.IGNORECASE,
)
TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.")
CONTEXT_LINES: Final = 30
SHOWN_PER_LOG: Final = 3


@frozen
class Evidence:
    """What is left when the faults are over and everything has settled.

    ``before`` and ``after`` are the traffic's ends, ``final`` its last report. ``pairs``: for each session what the
    server says of its pairs, ``pair_id`` to ``peer_session_id``. ``exit_codes``: of every node that was told to stop.
    ``logs``: of every node that ever ran, and of the traffic.
    """

    before: Sequence[Mapping[str, Any]]
    after: Sequence[Mapping[str, Any]]
    final: Mapping[str, Any]
    pairs: Mapping[str, Mapping[str, str]]
    exit_codes: Mapping[str, int | None]
    logs: Mapping[str, str]


def complaints(evidence: Evidence) -> list[str]:
    """Everything that should not be, in words."""
    return [
        *_about_messages(evidence.final),
        *_about_sessions(evidence.before, evidence.after, evidence.final),
        *_about_pairs(evidence.before, evidence.pairs),
        *(f"{node} was told to stop and ended with {code}" for node, code in evidence.exit_codes.items() if code != 0),
        *(complaint for name, log in evidence.logs.items() for complaint in _about_log(name, log)),
    ]


def _about_messages(final: Mapping[str, Any]) -> Iterator[str]:
    ledger = final["ledger"]
    for fault in ("lost", "doubled", "disordered", "misdelivered", "invented", "refused", "unanswered"):
        if ledger[fault]:
            yield f"{ledger[fault]} messages {fault}: {'; '.join(ledger['details'])}"
    if not ledger["offered"] or ledger["delivered"] != ledger["offered"]:
        yield f"{ledger['offered']} messages were sent and {ledger['delivered']} delivered"


def _about_sessions(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], final: Mapping[str, Any]
) -> Iterator[str]:
    yield from final["faults"]
    for old, new in zip(before, after, strict=True):
        if new["sessions"] != [old["session_id"]] or new["session_id"] != old["session_id"]:
            yield f"{old['name']} had session {old['session_id']} and now {new['session_id']} ({new['sessions']})"


def _about_pairs(before: Sequence[Mapping[str, Any]], pairs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    members: dict[str, list[str]] = {}
    for end in before:
        members.setdefault(end["pair_id"], []).append(end["session_id"])
    for end in before:
        (peer,) = (one for one in members[end["pair_id"]] if one != end["session_id"])
        if pairs.get(end["session_id"]) != {end["pair_id"]: peer}:
            yield f"{end['name']} was paired as {end['pair_id']} with {peer}, and now {pairs.get(end['session_id'])}"


def _about_log(name: str, log: str) -> Iterator[str]:
    lines = log.splitlines()
    found = 0
    after = -1
    for number, line in enumerate(lines):
        if number > after and COMPLAINTS_OF_A_PROGRAM.search(line):
            after = number + CONTEXT_LINES
            found += 1
            if found <= SHOWN_PER_LOG:
                yield f"in the log of {name}:\n" + "\n".join(lines[max(0, number - 2) : after])
    if TOKEN.search(log):
        yield f"a token in the log of {name}"
