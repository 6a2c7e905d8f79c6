"""Every line that Holdfast logs is an event of one table, with the facts that its text names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import holdfast
from holdfast.resilience.events import Event
from holdfast.telemetry.masking import telling

SOURCES: Final = Path(holdfast.__file__).parent
MEMBERS: Final = {"time", "level", "logger", "process", "message", "request_id", "error", "stack", "event", "facts"}
"""Of a JSON line, besides the facts."""

OF_LIBRARIES: Final = {
    "resilience/events.py",
    "telemetry/logs.py",
    "telemetry/tracing/opening.py",
    "notify/services.py",
    "stores/keyvault/transport.py",
    "cli/doctor.py",
    "agent/listening.py",
}
"""Where loggers are had at all: to log events, and to set what libraries log."""


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.relative_to(SOURCES).as_posix(), node


def facts_of(event: Event) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", event.text))


def is_event(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"


def named(node: ast.expr) -> Iterator[Event]:
    """The event or, in a condition, the events that an expression names."""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and is_event(each) and each.attr in Event.__members__:
            yield Event[each.attr]


def test_nothing_is_logged_past_the_table() -> None:
    having = {place for place, call in calls() if ast.unparse(call.func).endswith("getLogger")}
    assert having <= OF_LIBRARIES
    past = re.compile(r"(logging|_?log(ger)?)\.(debug|info|warning|error|exception|critical|log)")
    assert not [(place, ast.unparse(call)) for place, call in calls() if past.fullmatch(ast.unparse(call.func))]


def test_every_line_has_the_facts_that_its_text_names() -> None:
    seen = set[Event]()
    for place, call in calls():
        if isinstance(call.func, ast.Name) and call.func.id in {"_log", "log"} and call.args:
            given = {each.arg for each in call.keywords} - {"trace", "also"}
            for event in named(call.args[0]):
                seen.add(event)
                assert given == facts_of(event), (place, ast.unparse(call))
    assert len(seen) > 80


def test_every_event_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    assert Event.__members__.keys() <= set(re.findall(r"\bEvent\.([A-Z_]+)\b", text))


def test_facts_hide_nothing_and_are_not_hidden() -> None:
    for event in Event:
        assert not facts_of(event) & MEMBERS, event
        assert not [fact for fact in facts_of(event) if telling(fact)], event
        assert event.id == event.id.lower()
