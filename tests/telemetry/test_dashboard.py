"""The Grafana dashboard asks for metrics that there are, in PromQL that Prometheus itself can read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.telemetry.table import METRICS, Kind, Metric
from tests.support.prometheus import promtool
from tests.support.reference import ROOT
from tests.telemetry.test_metrics import SPECIFIED

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.COUNTER: ("_total",)}
_ASKED = re.compile(r"\b((?:secrets|holdfast)_\w+)\{([^}]*)\}")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def shown(metric: Metric) -> Iterator[str]:
    """The names under which Prometheus has it."""
    yield from (metric.name + suffix for suffix in SUFFIXES.get(metric.kind, ("",)))


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_every_panel_asks_for_metrics_and_labels_that_there_are(dashboard: dict[str, Any]) -> None:
    known = {name: metric for metric in METRICS for name in shown(metric)}
    asked = set()
    for expression in expressions(dashboard):
        found = _ASKED.findall(expression)
        assert found or expression.startswith("sum(up{"), expression
        grouped = {label.strip() for labels in _GROUPED.findall(expression) for label in labels.split(",")}
        for name, matchers in found:
            assert name in known, name
            asked.add(known[name].name)
            labels = {match.strip().partition("=")[0].rstrip("!~") for match in matchers.split(",")}
            allowed = {"job", "instance", "le", known[name].label}
            assert labels | grouped <= allowed, (name, labels, grouped)
            for label, value in re.findall(r'(\w+)="(\w+)"', matchers):
                assert label == "job" or value in known[name].values, (name, value)
    assert asked >= {f"secrets_{name}" for name in SPECIFIED}


def test_panels_say_what_they_show_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert panel["type"] == "row" or panel["description"], panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.services("prometheus")
def test_promtool_reads_every_expression(dashboard: dict[str, Any], tmp_path: Path) -> None:
    """As the expressions of recording rules; Grafana's variables stand for what it puts in their place."""
    given = {"$__rate_interval": "5m", "$job": "holdfast", "$instance": ".*"}
    rules = []
    for number, expression in enumerate(expressions(dashboard)):
        for variable, value in given.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901 - one replacement after the other
        assert "$" not in expression
        rules.append({"record": f"panel:{number}", "expr": expression})
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML too
    checked = promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout.decode()
