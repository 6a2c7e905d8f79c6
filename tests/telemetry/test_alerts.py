"""The alert rules ask for metrics that there are."""

import json
import re
from pathlib import Path

import pytest

from holdfast.telemetry.table import METRICS
from tests.support.prometheus import promtool
from tests.support.reference import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"


def test_alerts_ask_for_metrics_and_labels_that_there_are() -> None:
    text = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    known = {metric.shown: metric for metric in METRICS}
    asked = re.findall(
        r"\b((?:secrets|holdfast)_\w+)(?:\{(\w+)=\"(\w+)\"\})?", "\n".join(re.findall("expr: (.+)", text))
    )
    assert len(asked) >= 8
    for name, label, value in asked:
        assert name in known, name
        assert not label or (label == known[name].label and value in known[name].values), name


@pytest.mark.services("prometheus")
def test_a_breaker_that_only_ever_probes_is_told_of(tmp_path: Path) -> None:
    """Once a minute an open breaker is half-open; a scrape that sees that does not begin the wait anew."""
    rules = tmp_path / "test.yml"
    series = {"series": 'holdfast_breaker_state{kind="read"}', "values": "2 2 1 2 2 1 2 2 1 2 2 1 0x10"}
    warned = {"exp_labels": {"severity": "warning", "kind": "read"}, "exp_annotations": {}}
    warned["exp_annotations"] = {"summary": "Key Vault does not answer reads; the mirror answers for it."}
    asked = [
        {"eval_time": moment, "alertname": "HoldfastBreakerOpen", "exp_alerts": told}
        for moment, told in (("4m", []), ("8m", [warned]), ("15m", []))
    ]
    test = {"interval": "1m", "input_series": [series], "alert_rule_test": asked}
    rules.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": [test]}))
    ended = promtool("test", "rules", rules)
    assert ended.returncode == 0, (ended.stdout + ended.stderr).decode()
