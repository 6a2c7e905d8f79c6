"""Each checker on histories made by hand: one that must pass, and those that must fail."""

import itertools
from typing import Any

import msgspec
import pytest

from tests.proof.history.checking import check
from tests.proof.history.cutting import cut_down, minimal
from tests.proof.history.events import Ending, Event, History, Op, Outcome, Secret, Surface

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

GOOD = {
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
