"""Each checker on histories made by hand: one that must pass, and those that must fail."""

import itertools
from typing import Any

import msgspec
import pytest

from tests.proof.history.checking import check
from tests.proof.history.cutting import cut_down, minimal
from tests.proof.history.events import Credential, Ending, Event, History, Op, Outcome, Secret, Surface

_numbers = itertools.count(1)


def event(op: Op, began: float, **more: Any) -> Event:
    """An acknowledged operation on ``k`` by one client of node 0 that takes a tenth of a second."""
    given = {"client": "c", "who": "app", "node": 0, "surface": Surface.OWN, "name": "k", "outcome": Outcome.OK}
    return Event(**{"id": f"r{next(_numbers)}", "op": op, "began": began, "ended": began + 0.1, **given, **more})


def wrote(began: float, value: str, version: int = 0, **more: Any) -> Event:
    return event(Op.SET, began, value=value, version=version, **more)


def read(began: float, value: str, version: int = 0, **more: Any) -> Event:
    return event(Op.GET, began, value=value, version=version, **{"status": 200, **more})


def missed(began: float, **more: Any) -> Event:
    return event(Op.GET, began, outcome=Outcome.REFUSED, status=404, **more)


def history(*events: Event, **ending: Any) -> History:
    """A history whose every operation is on record, once."""
    records = {each.id: 1 for each in events if each.ok}
    return History(events=events, ending=Ending(**{"records": records, **ending}))


def promises(found: History) -> list[str]:
    return [violation.promise for violation in check(found)]


UNKNOWN: dict[str, Any] = {"outcome": Outcome.UNKNOWN, "ended": None}
REFUSED: dict[str, Any] = {"outcome": Outcome.REFUSED, "status": 503}
ELSEWHERE: dict[str, Any] = {"node": 1, "client": "d"}

ERIN: dict[str, Any] = {"who": "erin", "client": "e"}
NO: dict[str, Any] = {"outcome": Outcome.REFUSED, "status": 403}
BY_VAULT: dict[str, Any] = {"name": "edit-0", "node": -1, "client": "vault"}


def approved(began: float, number: int = 7, **more: Any) -> Event:
    return event(Op.APPROVE, began, **{"who": "erin", "of": number, "lasts": 4.0, **more})


GOOD = {
    "a version made again": [
        *(wrote(1, "a", 1), wrote(2, "b", 2), event(Op.ROLLBACK, 3, of=1, version=3)),
        *(read(4, "a", 3), event(Op.PIN, 5, value="a", version=1)),
    ],
    "a version made again, perhaps": [wrote(1, "a", 1), event(Op.ROLLBACK, 2, of=1, **UNKNOWN), read(3, "a", 2)],
    "written in the vault": [event(Op.EDIT, 1, value="x", **BY_VAULT), read(5, "x", 1, name="edit-0")],
    "what was overtaken is written again": [
        *(wrote(1, "a", 1, name="edit-0"), event(Op.EDIT, 2, value="x", **BY_VAULT)),
        *(read(3, "a", 1, name="edit-0"), read(5, "a", 3, name="edit-0")),
    ],
    "a credential no client has made": [event(Op.ROTATE, 1, name="pair", version=2), read(2, "new", 2, name="pair")],
    "a login that is not answered": [event(Op.LOGIN, 1, name="pair", **UNKNOWN)],
    "read in an emergency": [wrote(1, "a", 1), approved(2), read(3, "a", 1, **ERIN)],
    "refused before and after it": [
        *(event(Op.GET, 1, **NO, **ERIN), event(Op.ASK, 2, **ERIN, of=7), approved(3)),
        event(Op.GET, 9, **NO, **ERIN),
    ],
    "refused once it was given back": [
        *(approved(2), event(Op.WITHDRAW, 3, of=7, **ERIN), event(Op.GET, 4, **NO, **ERIN)),
    ],
    "given back, or perhaps not": [
        *(wrote(1, "a", 1), approved(2), event(Op.WITHDRAW, 3, of=7, **ERIN, **UNKNOWN)),
        *(read(4, "a", 1, **ERIN), event(Op.GET, 5, **NO, **ERIN)),
    ],
    "an approval no one heard of": [wrote(1, "a", 1), approved(2, **UNKNOWN), read(30, "a", 1, **ERIN)],
    "written and read": [wrote(1, "a", 1), read(2, "a", 1), wrote(3, "b", 2), read(4, "b", 2)],
    "an unknown write that is read": [wrote(1, "a", **UNKNOWN), read(2, "a", 1)],
    "an unknown write that never was": [wrote(1, "a", 1), wrote(2, "b", **UNKNOWN), read(9, "a", 1)],
    "an unknown write that comes late": [wrote(1, "a", **UNKNOWN), wrote(2, "b", 1), read(5, "b", 1), read(6, "a", 2)],
    "asked again with the same key": [wrote(1, "a", **UNKNOWN), wrote(2, "a", **REFUSED), read(3, "a", 1)],
    "older, at once, elsewhere": [wrote(1, "a", 1), wrote(2, "b", 2), read(2.2, "a", 1, **ELSEWHERE)],
    "older, and called stale": [wrote(1, "a", 1), wrote(2, "b", 2), read(9, "a", 1, stale=True)],
    "older while the newer is written": [wrote(1, "a", 1), wrote(2, "b", 2, ended=9), read(3, "a", 1)],
    "versions begin again after a purge": [
        wrote(1, "a", 1),
        wrote(2, "b", 2),
        event(Op.DELETE, 3),
        event(Op.PURGE, 4),
        wrote(5, "c", 1),
        read(6, "c", 1),
    ],
    "not found before, and after a deletion": [missed(1), wrote(2, "a", 1), event(Op.DELETE, 3), missed(4)],
    "not found after a deletion no one knows of": [wrote(2, "a", 1), event(Op.DELETE, 3, **UNKNOWN), missed(9)],
    "read after a deletion and a recovery": [
        wrote(1, "a", 1),
        event(Op.DELETE, 2),
        event(Op.RECOVER, 3),
        read(4, "a", 1),
    ],
    "read while the deletion is under way": [wrote(1, "a", 1), event(Op.DELETE, 2, ended=5), read(3, "a", 1)],
    "read elsewhere just after the deletion": [wrote(1, "a", 1), event(Op.DELETE, 2), read(3, "a", 1, **ELSEWHERE)],
    "listed": [wrote(1, "a", 1), event(Op.LIST, 2, name="*", names=("k",))],
    "read under a grant": [
        wrote(1, "a", 1),
        event(Op.GRANT, 2, who="reader"),
        read(3, "a", 1, who="reader"),
        event(Op.REVOKE, 4, who="reader"),
        event(Op.GET, 5, who="reader", outcome=Outcome.REFUSED, status=403),
    ],
    "read while the grant may be back": [
        wrote(1, "a", 1),
        event(Op.REVOKE, 2, who="reader"),
        event(Op.GRANT, 3, who="reader", **UNKNOWN),
        read(9, "a", 1, who="reader"),
    ],
}

BAD = {
    "more often than it was made": (
        "I4",
        [
            *(wrote(1, "a", 1), event(Op.ROLLBACK, 2, of=1, version=2), read(3, "a", 2)),
            event(Op.PIN, 4, value="a", version=3),
        ],
    ),
    "a version made again is another": (
        "I3",
        [
            *(wrote(1, "a", 1), wrote(2, "b", 2), event(Op.ROLLBACK, 3, of=1, version=3), read(4, "b", 3)),
            event(Op.PIN, 5, value="a", version=1),
        ],
    ),
    "older than what was rotated": (
        "I3",
        [event(Op.ROTATE, 1, name="pair", version=2), read(2, "old", 1, name="pair")],
    ),
    "older than a version made again": (
        "I3",
        [wrote(1, "a", 1), wrote(2, "b", 2), event(Op.ROLLBACK, 3, of=1, version=3), read(4, "b", 2)],
    ),
    "a credential that does not log in": ("I10", [event(Op.LOGIN, 1, name="pair", outcome=Outcome.REFUSED)]),
    "read before it was approved": ("I15", [wrote(1, "a", 1), event(Op.ASK, 2, **ERIN, of=7), read(3, "a", 1, **ERIN)]),
    "read after an emergency": ("I15", [wrote(1, "a", 1), approved(2), read(13, "a", 1, **ERIN)]),
    "read after it was given back": (
        "I15",
        [wrote(1, "a", 1), approved(2), event(Op.WITHDRAW, 3, of=7, **ERIN), read(4, "a", 1, **ERIN)],
    ),
    "another one's approval": (
        "I15",
        [wrote(1, "a", 1, name="l"), approved(2), read(3, "a", 1, name="l", **ERIN)],
    ),
    "refused in an emergency": ("I15", [approved(2), event(Op.GET, 3, **NO, **ERIN)]),
    "rows that a change of keys found damaged": ("I8", [event(Op.REWRAP, 1, name="*", names=("k",))]),
    "a value from nowhere": ("I8", [read(1, "x", 1)]),
    "a value from the future": ("I8", [read(1, "a", 1), wrote(2, "a", 1)]),
    "a refused write that is read": ("I4", [wrote(1, "a", **REFUSED), read(2, "a", 1)]),
    "an unknown write that took effect twice": ("I4", [wrote(1, "a", **UNKNOWN), read(2, "a", 1), read(3, "a", 2)]),
    "a key that made two versions": ("I4", [wrote(1, "a", 1, key="x"), wrote(2, "a", 2, key="x")]),
    "one version with two values": ("I3", [wrote(1, "a", 1), wrote(2, "b", 1)]),
    "older here": ("I3", [wrote(1, "a", 1), wrote(2, "b", 2), read(2.2, "a", 1)]),
    "older elsewhere, after the bound": ("I3", [wrote(1, "a", 1), wrote(2, "b", 2), read(9, "a", 1, **ELSEWHERE)]),
    "one client goes back": (
        "I3",
        [
            wrote(1, "a", 1),
            wrote(2, "b", 2, ended=9),
            read(3, "b", 2, client="e", node=1),
            read(4, "a", 1, client="e", node=1),
        ],
    ),
    "not found after a write": ("I2", [wrote(1, "a", 1), missed(2)]),
    "not found after a recovery": (
        "I2",
        [wrote(1, "a", 1), event(Op.DELETE, 2), event(Op.RECOVER, 3), missed(4)],
    ),
    "read after a deletion": ("I5", [wrote(1, "a", 1), event(Op.DELETE, 2), read(3, "a", 1)]),
    "stale is no excuse": ("I5", [wrote(1, "a", 1), event(Op.DELETE, 2), read(3, "a", 1, stale=True)]),
    "read elsewhere after a deletion": ("I5", [wrote(1, "a", 1), event(Op.DELETE, 2), read(9, "a", 1, **ELSEWHERE)]),
    "purged bytes come back": (
        "I5",
        [wrote(1, "a", 1), event(Op.DELETE, 2), event(Op.PURGE, 3), wrote(4, "b", 1), read(5, "a", 1)],
    ),
    "missing from a list": ("I2", [wrote(1, "a", 1), event(Op.LIST, 2, name="*")]),
    "listed after a deletion": (
        "I5",
        [wrote(1, "a", 1), event(Op.DELETE, 2), event(Op.LIST, 3, name="*", names=("k",))],
    ),
    "read after a revocation": (
        "I6",
        [wrote(1, "a", 1), event(Op.REVOKE, 2, who="reader"), read(3, "a", 1, who="reader")],
    ),
    "read elsewhere after a revocation": (
        "I6",
        [wrote(1, "a", 1), event(Op.REVOKE, 2, who="reader"), read(9, "a", 1, who="reader", **ELSEWHERE)],
    ),
    "refused under a grant": (
        "I6",
        [event(Op.GRANT, 2, who="reader"), event(Op.GET, 3, who="reader", outcome=Outcome.REFUSED, status=403)],
    ),
    "a failure of ours": ("I14", [event(Op.SET, 1, outcome=Outcome.UNKNOWN, status=500)]),
}

ENDINGS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "both stores equal": (None, {"ours": {"k": Secret(state="live", values=("a", "b"))}}),
    "the stores differ": (
        "I2",
        {
            "ours": {"k": Secret(state="live", values=("a", "b"))},
            "vaults": {"k": Secret(state="live", values=("a",))},
        },
    ),
    "an acknowledged write is lost": ("I2", {"ours": {"k": Secret(state="live", values=("a",))}}),
    "an acknowledged write has another place": ("I2", {"ours": {"k": Secret(state="live", values=("b", "a"))}}),
    "a write is there twice": ("I4", {"ours": {"k": Secret(state="live", values=("a", "b", "b"))}}),
    "a refused write is there": ("I4", {"ours": {"k": Secret(state="live", values=("a", "b", "c"))}}),
    "a deletion no one asked for": ("I2", {"ours": {"k": Secret(state="deleted", values=("a", "b"))}}),
    "a trail that does not verify": ("I9", {"trail": ("seq 5: altered",)}),
    "a value no one wrote": ("I8", {"ours": {"k": Secret(state="live", values=("a", "b", "x"))}}),
    "an intent that stays open": ("I12", {"unhealed": ("1 intents are open",)}),
}


ROTATED: dict[str, tuple[str | None, Credential]] = {
    "logs in": (None, Credential(current=True)),
    "does not log in": ("I10", Credential(current=False)),
    "another one does, too": ("I10", Credential(current=True, strange=("history_a",))),
}


@pytest.mark.parametrize("name", ROTATED)
def test_i10_the_current_credential_logs_in_and_none_that_is_not_stored(name: str) -> None:
    promise, found = ROTATED[name]
    ours = {"pair": Secret(state="live", values=("first", "second"))}
    told = promises(history(event(Op.ROTATE, 1, name="pair", version=2), ours=ours, credentials={"pair": found}))
    assert told == ([] if promise is None else [promise])


EDITS: dict[str, tuple[str | None, tuple[str, ...], tuple[str, ...]]] = {
    "in another order": (None, ("a", "x", "a"), ("x", "a")),
    "it was overtaken before any node looked": (None, ("a",), ("x", "a")),
    "the vault has it not": ("I2", ("a", "x", "a"), ("a",)),
    "what was acknowledged is not there": ("I2", ("x",), ("x",)),
    "another one is current": ("I2", ("a", "x"), ("x", "a")),
    "no one wrote it": ("I8", ("a", "x", "y"), ("a", "x", "y")),
}


@pytest.mark.parametrize("name", EDITS)
def test_i2_what_was_written_in_the_vault_and_here_ends_alike(name: str) -> None:
    promise, *sides = EDITS[name]
    ours, theirs = ({"edit-0": Secret(state="live", values=side)} for side in sides)
    events = [wrote(1, "a", 1, name="edit-0"), event(Op.EDIT, 2, value="x", **BY_VAULT)]
    found = set(promises(history(*events, ours=ours, vaults=theirs)))
    assert found == (set() if promise is None else {promise})


def test_a_value_may_be_there_as_often_as_it_was_made_again() -> None:
    events = [wrote(1, "a", 1), event(Op.ROLLBACK, 2, of=1, **UNKNOWN)]
    for times, found in ((2, []), (3, ["I4"])):
        assert promises(history(*events, ours={"k": Secret(state="live", values=("a",) * times)})) == found


@pytest.mark.parametrize("name", GOOD)
def test_what_may_be_passes(name: str) -> None:
    assert check(history(*GOOD[name])) == []


@pytest.mark.parametrize("name", BAD)
def test_what_must_not_be_is_found(name: str) -> None:
    promise, events = BAD[name]
    assert set(promises(history(*events))) == {promise}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_ending_is_judged(name: str) -> None:
    promise, ending = ENDINGS[name]
    events = [wrote(1, "a", 1), wrote(2, "b", 2), wrote(3, "c", **REFUSED)]
    found = set(promises(history(*events, **ending)))
    assert found == (set() if promise is None else {promise})


@pytest.mark.parametrize("records", [0, 2])
def test_i1_a_disclosure_has_exactly_one_record(records: int) -> None:
    events = [wrote(1, "a", 1), read(2, "a", 1)]
    assert promises(history(*events, records={events[0].id: 1, events[1].id: records})) == ["I1"]


def test_i1_an_acknowledged_change_is_on_record() -> None:
    assert promises(history(wrote(1, "a", 1), records={})) == ["I1"]


def test_a_failing_history_is_cut_down_to_what_shows_it() -> None:
    noise = [wrote(10 + n, f"n{n}", n + 1, name="other") for n in range(40)]
    events = [wrote(1, "a", 1), wrote(2, "b", 2), *noise, read(60, "a", 1), read(61, "b", 2)]
    found = history(*events)
    (violation,) = check(found)
    assert [each.value for each in cut_down(found, violation).events] == ["a", "b", "a"]


def test_what_cannot_be_left_out_stays() -> None:
    items = [wrote(n, f"v{n}") for n in range(30)]
    needed = {items[3], items[17]}
    assert set(minimal(items, lambda kept: needed <= set(kept))) == needed


def test_a_history_is_json() -> None:
    kept = history(wrote(1, "a", **UNKNOWN), read(2, "a", 1))
    assert msgspec.json.decode(msgspec.json.encode(kept), type=History) == kept
