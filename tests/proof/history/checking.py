"""All checkers over one history."""

from collections import Counter
from collections.abc import Iterator

from tests.proof.history.events import (
    EDITED,
    READS,
    ROTATED,
    Event,
    History,
    Op,
    Outcome,
    Secret,
    Violation,
    by_name,
    contradicted,
)
from tests.proof.history.register import check_register

_RULES = frozenset({Op.GRANT, Op.REVOKE})
_UNRECORDED = READS | {Op.LIST, Op.EDIT, Op.LOGIN}


def check(history: History) -> list[Violation]:
    """Every promise that this history breaks."""
    parts = (
        *(_registers, check_grants, check_emergencies, check_lists, check_records, check_ending),
        *(check_credentials, check_answers),
    )
    return [violation for part in parts for violation in part(history)]


def _registers(history: History) -> Iterator[Violation]:
    for name, events in by_name(history.events).items():
        yield from check_register(name, events, history.bounds)


def check_grants(history: History) -> Iterator[Violation]:
    """I6: the one who was refused the right to read reads no more; and the one who was granted it, does."""
    rules = [event for event in history.events if event.op in _RULES]
    for read in history.events:
        wrong = Op.REVOKE if read.ok else Op.GRANT if read.status == 403 else None
        if read.op not in READS or wrong is None:
            continue
        theirs = [rule for rule in rules if rule.who == read.who]
        rule = contradicted(read, theirs, {wrong}, _RULES - {wrong}, history.bounds.cut_off)
        if rule is not None:
            what = "read" if read.ok else "was refused"
            text = f"{read.who} {what} at node {read.node} after an acknowledged {rule.op}"
            yield Violation(promise="I6", text=text, events=(rule.id, read.id))


def check_emergencies(history: History) -> Iterator[Violation]:
    """I15: who is granted access in an emergency reads as long as that lasts, and no longer.

    No one of them has a rule besides.
    """
    approvals = [event for event in history.events if event.op is Op.APPROVE and event.possible]
    ends = [event for event in history.events if event.op is Op.WITHDRAW]
    theirs = {event.who for event in approvals} | {event.who for event in history.events if event.op is Op.ASK}
    for read in (each for each in history.events if each.op in READS and each.who in theirs):
        mine = [each for each in approvals if each.who == read.who and each.name == read.name]
        if read.ok and not any(_may_cover(each, read, ends, history.bounds.cut_off) for each in mine):
            text = f"{read.who} read {read.name} at node {read.node}, and no approval was in force"
            yield Violation(promise="I15", text=text, events=(*(each.id for each in mine[-1:]), read.id))
        covering = next((each for each in mine if _must_cover(each, read, ends, history.bounds.cut_off)), None)
        if read.status == 403 and covering is not None:
            text = f"{read.who} was refused {read.name} at node {read.node} under an approval"
            yield Violation(promise="I15", text=text, events=(covering.id, read.id))


def _may_cover(approval: Event, read: Event, ends: list[Event], elsewhere: float) -> bool:
    over = approval.until + approval.lasts + elsewhere < read.began
    ended = any(each.of == approval.of and each.ok and each.known_to(read, elsewhere) for each in ends)
    return approval.began < read.until and not over and not ended


def _must_cover(approval: Event, read: Event, ends: list[Event], elsewhere: float) -> bool:
    ended = any(each.of == approval.of and each.possible and each.began < read.until for each in ends)
    lasts = read.until < approval.began + approval.lasts
    return approval.ok and approval.known_to(read, elsewhere) and lasts and not ended


def check_credentials(history: History) -> Iterator[Violation]:
    """I10: what was just read logs in, and in the end the current credential does, and none that is not stored."""
    for login in (each for each in history.events if each.op is Op.LOGIN and each.outcome is Outcome.REFUSED):
        text = f"{login.name}: a credential that was just read does not log in"
        yield Violation(promise="I10", text=text, events=(login.id,))
    for name, found in history.ending.credentials.items():
        if not found.current:
            yield Violation(promise="I10", text=f"{name}: the current credential does not log in")
        for role in found.strange:
            yield Violation(promise="I10", text=f"{name}: {role} has a password that is not stored")


def check_lists(history: History) -> Iterator[Violation]:
    """I5, I2: a list shows what is there, and nothing that is deleted."""
    named = by_name(history.events)
    for listed in (event for event in history.events if event.op is Op.LIST and event.ok):
        for name, events in named.items():
            shown = name in listed.names
            causes = {Op.DELETE} if shown else {Op.SET, Op.RECOVER}
            undone = {Op.SET, Op.RECOVER} if shown else {Op.DELETE, Op.PURGE}
            event = contradicted(listed, events, causes, undone, history.bounds.cut_off)
            if event is not None:
                text = f"{name}: {'listed' if shown else 'missing from a list'} after an acknowledged {event.op}"
                yield Violation(promise="I5" if shown else "I2", text=text, events=(event.id, listed.id))


def check_records(history: History) -> Iterator[Violation]:
    """I1, I9: one record of each disclosure, at least one of each change, and a trail that verifies."""
    for event in history.events:
        kept = history.ending.records.get(event.id, 0)
        if event.op in READS and event.ok and kept != 1:
            text = f"{event.name}: a value was disclosed, and {kept} records say so"
            yield Violation(promise="I1", text=text, events=(event.id,))
        elif event.op not in _UNRECORDED and event.ok and not kept:
            text = f"{event.name}: an acknowledged {event.op} is not on record"
            yield Violation(promise="I1", text=text, events=(event.id,))
    for problem in history.ending.trail:
        yield Violation(promise="I9", text=f"the trail: {problem}")


def check_answers(history: History) -> Iterator[Violation]:
    """I14: no request of these is answered as a failure of ours."""
    for event in history.events:
        if event.status == 500:
            yield Violation(promise="I14", text=f"{event.name}: {event.op} answered 500", events=(event.id,))
        if event.op is Op.REWRAP and event.names:
            yield Violation(promise="I8", text=f"not genuine: {', '.join(event.names)}", events=(event.id,))


def check_ending(history: History) -> Iterator[Violation]:
    """I2, I4, I12: all healed, both stores are equal, and have each acknowledged write once and no refused one."""
    for left in history.ending.unhealed:
        yield Violation(promise="I12", text=f"not healed: {left}")
    named = by_name(history.events)
    for name, secret in history.ending.ours.items():
        events = named.get(name, [])
        theirs = history.ending.vaults.get(name, secret)
        if not _equal(name, secret, theirs):
            text = f"{name}: {secret.state} {secret.values} here, {theirs.state} {theirs.values} in the vault"
            yield Violation(promise="I2", text=text)
        copies = sum(event.op is Op.ROLLBACK and event.possible for event in events)
        for value, times in Counter(secret.values).items():
            if times > 1 + copies and name not in EDITED:
                yield Violation(promise="I4", text=f"{name}: {value!r} is there {times} times")
        yield from _ended(name, secret.state, secret.values, events)


def _equal(name: str, ours: Secret, theirs: Secret) -> bool:
    """Whether both sides have the same.

    Of what was written on both sides at once each side has an order of its own, and what was overtaken there before
    any node looked is there alone.
    """
    if name not in EDITED:
        return ours == theirs
    current = (ours.state, ours.values[-1:]) == (theirs.state, theirs.values[-1:])
    return current and set(ours.values) <= set(theirs.values)


def _ended(name: str, state: str, values: tuple[str, ...], events: list[Event]) -> Iterator[Violation]:
    for event in (each for each in events if each.op is Op.SET):
        if not event.possible and event.value in values and not _asked_again(event, events):
            text = f"{name}: the refused {event.value!r} is there"
            yield Violation(promise="I4", text=text, events=(event.id,))
        if not event.ok or any(each.op is Op.PURGE and each.until > event.began and each.possible for each in events):
            continue
        if event.value not in values or (event.version and values[event.version - 1 : event.version] != (event.value,)):
            text = f"{name}: the acknowledged {event.value!r} (version {event.version}) is not in {state} {values}"
            yield Violation(promise="I2", text=text, events=(event.id,))
    known = {each.value for each in events if each.op in {Op.SET, Op.EDIT}}
    for value in set(values) - known if name not in ROTATED else ():
        yield Violation(promise="I8", text=f"{name}: {value!r} is there, and no one wrote it")
    yield from _last(name, state, [each for each in events if each.op not in READS and each.possible])


def _asked_again(event: Event, events: list[Event]) -> bool:
    return any(each.possible and each.op is Op.SET and each.value == event.value for each in events)


_LEAVES = {Op.DELETE: "deleted", Op.PURGE: "absent"}
"""In which state a change leaves a secret; every other one leaves it live."""


def _last(name: str, state: str, changes: list[Event]) -> Iterator[Violation]:
    """What the last change left behind, if it is known which was the last."""
    for event in changes:
        others = (each for each in changes if each is not event)
        if event.ok and all(each.until < event.began for each in others) and _LEAVES.get(event.op, "live") != state:
            text = f"{name}: {state} in the end, after an acknowledged {event.op}"
            yield Violation(promise="I2", text=text, events=(event.id,))
