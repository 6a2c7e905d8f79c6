"""A real Prometheus scrapes a running node: targets, the thirteen specified metrics, and our alert rules."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.folders import short_folder
from tests.support.https import Client
from tests.support.node import within
from tests.support.prometheus import ALERTS, Prometheus, promtool, running_prometheus
from tests.support.scripted_vault import ScriptedVault
from tests.support.serving import Process, serving
from tests.telemetry.test_metrics import SPECIFIED, TOKEN

pytestmark = pytest.mark.services("prometheus")

UNLIKED = "secrets_get_duration_ms metric names should not contain abbreviated units"
"""All that ``promtool check metrics`` has to say; the name is the specification's."""

KNOWN = {
    "secrets_keyvault_connected": 1,
    "secrets_redis_connected": 1,
    "sum(secrets_get_success_total)": 12,
    'secrets_get_failure_total{reason="refused"}': 3,
    'secrets_get_failure_total{reason="failed"}': 0,
    "sum(secrets_get_duration_ms_count)": 12,
    "secrets_set_success_total": 4,
    "secrets_set_failure_total": 1,
    "secrets_cache_hit_total + secrets_cache_miss_total": 12,
    "secrets_rotation_success_total": 2,
    "secrets_rotation_failure_total > bool 0": 1,  # it is tried again, and fails again
    "sum(secrets_circuit_breaker_opened_total)": 0,
    "sum(secrets_circuit_breaker_closed_total)": 0,
}
"""What the queries of the thirteen amount to once ``known_requests`` were made."""


async def known_requests(server: Process) -> None:
    """Four sets and a refused one, twelve reads and three refused ones, two rotations and a failing one."""
    admin = Client(server.port, server.ca_file, server.admin_token)

    async def ask(method: str, path: str, body: object = None, **headers: str) -> int:
        text = json.dumps(body).encode() if body is not None else None
        return (await admin.request(method, path, text, {"Content-Type": "application/json", **headers})).status

    nowhere = {"handler": "postgresql", "options": {"admin_secret": "pg-admin", "role": "app"}}
    assert await ask("PUT", "/v1/secrets/plain", {"value": "first"}) == 200
    assert await ask("PUT", "/v1/secrets/jwt", {"value": "first", "rotation_policy": {"handler": "random"}}) == 200
    assert await ask("PUT", "/v1/secrets/pg-admin", {"value": "postgresql://a:b@127.0.0.1:1/none"}) == 200
    assert await ask("PUT", "/v1/secrets/pg", {"value": "first", "rotation_policy": nowhere}) == 200
    assert await ask("PUT", "/v1/secrets/plain", {"value": "x"}, **{"If-Match": '"7"'}) == 412
    for _ in range(12):
        assert await ask("GET", "/v1/secrets/plain") == 200
    for _ in range(3):
        assert await ask("GET", "/v1/secrets/not-there") == 404
    for _ in range(2):
        assert await ask("POST", "/v1/secrets/jwt/rotate") == 200
    assert await ask("POST", "/v1/secrets/pg/rotate") >= 400


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


async def test_a_real_prometheus_sees_the_specified_metrics_and_loads_the_alert_rules(
    database_url: str, redis_url: str, data_folder: Path, vault: ScriptedVault
) -> None:
    settings: dict[str, Any] = {**vault.environ(), "REDIS_URL": redis_url, "HOLDFAST_METRICS_TOKEN": TOKEN}
    with short_folder() as folder:
        async with serving(database_url, data_folder, "--workers", "2", **settings) as server:
            with running_prometheus(folder, f"127.0.0.1:{server.port}", server.ca_file, TOKEN) as prometheus:
                await known_requests(server)

                async def right() -> bool:
                    return await asyncio.to_thread(lambda: {query: prometheus.value(query) for query in KNOWN}) == KNOWN

                await within(60, right)
                await within(60, lambda: asyncio.to_thread(_up_with_rules, prometheus))
                await asyncio.to_thread(_check_names, prometheus)
            scraped = await Client(server.port, server.ca_file, TOKEN).request("GET", "/metrics")
            linted = await asyncio.to_thread(promtool, "check", "metrics", given=scraped.body)
            assert linted.stderr.decode().splitlines() == [UNLIKED], linted.stdout
            assert await server.stop() == 0


def _up_with_rules(prometheus: Prometheus) -> bool:
    """Whether the last scrape went well, and every alert rule was evaluated without an error."""
    (target,) = prometheus.ask("targets")["activeTargets"]
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == ALERTS.read_text().count("- alert:")
    assert not [rule["lastError"] for rule in rules if rule["health"] == "err"]
    scraped = (target["health"], target["lastError"], prometheus.value('up{job="holdfast"}')) == ("up", "", 1)
    return scraped and {rule["health"] for rule in rules} == {"ok"}


def _check_names(prometheus: Prometheus) -> None:
    names = set(prometheus.ask("label/__name__/values"))
    assert not [name for name in SPECIFIED if not any(each.startswith(f"secrets_{name}") for each in names)]


def test_promtool_accepts_the_alert_rules() -> None:
    checked = promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stderr
