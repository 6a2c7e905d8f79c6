"""The alert rules ask for metrics that there are."""

import re

from holdfast.telemetry.table import METRICS
from tests.support.reference import ROOT


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
