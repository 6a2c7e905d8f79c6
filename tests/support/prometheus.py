"""A Prometheus of the tests' own, on loopback, that scrapes one server."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.debian import free_port, listens, program, running
from tests.support.reference import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"


@dataclass(frozen=True)
class Prometheus:
    """Where it listens."""

    port: int

    def ask(self, path: str, **query: str) -> Any:
        """The data of its answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def value(self, query: str) -> float | None:
        """What one query amounts to; None without any series."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


def promtool(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Prometheus's own checks."""
    return subprocess.run(
        [program("promtool") or "", *arguments], input=given, check=False, capture_output=True, timeout=60
    )


@contextmanager
def running_prometheus(folder: Path, target: str, ca_file: Path, token: str) -> Iterator[Prometheus]:
    """One that scrapes ``target`` every two seconds, and knows our alert rules."""
    port, configuration = free_port(), folder / "prometheus.yml"
    (folder / "token").write_text(token)
    configuration.write_text(
        "global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}\n"
        f"rule_files: [{ALERTS}]\n"
        "scrape_configs:\n"
        "  - job_name: holdfast\n"
        "    scheme: https\n"
        f"    authorization: {{credentials_file: {folder / 'token'}}}\n"
        f"    tls_config: {{ca_file: {ca_file}, server_name: localhost}}\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n"
    )
    command = [
        program("prometheus") or "",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder / "prometheus.log", lambda: listens(port)):
        yield Prometheus(port)
