import pytest

from holdfast.errors import BackendUnavailable
from holdfast.ports import BackendHealth
from holdfast.web.exchange import Exchange
from holdfast.web.health import Health
from tests.web.conftest import Stubbed


async def test_the_process_is_alive_without_login(stubbed: Stubbed) -> None:
    answer = await stubbed.anonymous.request("GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "alive"})


async def test_a_node_that_can_answer_nothing_is_not_ready(stubbed: Stubbed) -> None:
    stubbed.service.error = BackendUnavailable("postgresql://user:marked-secret@db")
    answer = await stubbed.anonymous.request("GET", "/readyz")
    assert (answer.status, answer.json) == (503, {"status": "not ready"})
    assert answer.header("retry-after")


def backend(name: str, *, configured: bool = True, healthy: bool = True) -> BackendHealth:
    return BackendHealth(name=name, configured=configured, healthy=healthy, detail="marked-detail")


@pytest.mark.parametrize(
    ("backends", "status", "degraded"),
    [
        ([backend("postgresql")], "ready", []),
        ([backend("redis", configured=False, healthy=False)], "ready", []),
        ([backend("postgresql"), backend("keyvault", healthy=False)], "degraded", ["keyvault"]),
    ],
)
async def test_readiness_names_what_is_missing_and_nothing_else(
    backends: list[BackendHealth], status: str, degraded: list[str]
) -> None:
    import json

    def look() -> list[BackendHealth]:
        return backends

    scope = {"type": "http", "method": "GET", "raw_path": b"/readyz", "query_string": b"", "headers": []}

    async def nothing(*_: object) -> object:
        raise AssertionError

    reply = await Health(look).ready(Exchange(scope, nothing, nothing))  # type: ignore[arg-type]
    assert json.loads(reply.body or b"") == {"status": status, "degraded": degraded}
    assert reply.status == 200
