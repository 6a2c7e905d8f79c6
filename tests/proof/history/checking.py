"""All checkers over one history."""

from collections import Counter
from collections.abc import Iterator

from tests.proof.history.events import READS, Event, History, Op, Violation, by_name, contradicted
from tests.proof.history.register import check_register

_RULES = frozenset({Op.GRANT, Op.REVOKE})


def check(history: History) -> list[Violation]:
    """Every promise that this history breaks."""
    parts = (_registers, check_grants, check_lists, check_records, check_ending, check_answers)
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
        elif event.op not in READS and event.op is not Op.LIST and event.ok and not kept:
            text = f"{event.name}: an acknowledged {event.op} is not on record"
            yield Violation(promise="I1", text=text, events=(event.id,))
    for problem in history.ending.trail:
        yield Violation(promise="I9", text=f"the trail: {problem}")


def check_answers(history: History) -> Iterator[Violation]:
    """I14: no request of these is answered as a failure of ours."""
    for event in history.events:
        if event.status == 500:
            yield Violation(promise="I14", text=f"{event.name}: {event.op} answered 500", events=(event.id,))


def check_ending(history: History) -> Iterator[Violation]:
    """I2, I4, I12: all healed, both stores are equal, and have each acknowledged write once and no refused one."""
    for left in history.ending.unhealed:
        yield Violation(promise="I12", text=f"not healed: {left}")
    named = by_name(history.events)
    for name, secret in history.ending.ours.items():
        theirs = history.ending.vaults.get(name, secret)
        if theirs != secret:
            text = f"{name}: {secret.state} {secret.values} here, {theirs.state} {theirs.values} in the vault"
            yield Violation(promise="I2", text=text)
        for value, times in Counter(secret.values).items():
            if times > 1:
                yield Violation(promise="I4", text=f"{name}: {value!r} is there {times} times")
        yield from _ended(name, secret.state, secret.values, named.get(name, []))


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
    for value in set(values) - {each.value for each in events if each.op is Op.SET}:
        yield Violation(promise="I8", text=f"{name}: {value!r} is there, and no one wrote it")
    yield from _last(name, state, [each for each in events if each.op not in READS and each.possible])


def _asked_again(event: Event, events: list[Event]) -> bool:
    return any(each.possible and each.op is Op.SET and each.value == event.value for each in events)


_LEAVES = {Op.SET: "live", Op.RECOVER: "live", Op.DELETE: "deleted", Op.PURGE: "absent"}


def _last(name: str, state: str, changes: list[Event]) -> Iterator[Violation]:
    """What the last change left behind, if it is known which was the last."""
    for event in changes:
        others = (each for each in changes if each is not event)
        if event.ok and all(each.until < event.began for each in others) and _LEAVES[event.op] != state:
            text = f"{name}: {state} in the end, after an acknowledged {event.op}"
            yield Violation(promise="I2", text=text, events=(event.id,))
