"""The fast lane answers as the router does: same status, same headers, same body, for every kind of request."""

from datetime import UTC, datetime

import pytest

from holdfast import errors
from holdfast.web.app import Parts, create_router, surfaces
from holdfast.web.compose import server_parts
from holdfast.web.draining import Drain
from holdfast.web.hot import HotReads
from tests.support.asgi import Answer, ask
from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.conftest import Stubbed

CASES: list[tuple[str, dict[str, str]]] = [
    ("/secrets/hot-read?api-version=7.4", {}),
    ("/secrets/hot-read/?api-version=7.4", {}),
    ("/secrets/HOT-READ?api%2Dversion=2026-04-01&other=1", {}),
    ("/secrets/hot-expired?api-version=7.4", {}),
    ("/secrets/hot-disabled?api-version=7.4", {}),
    ("/secrets/hot-nothing?api-version=7.4", {}),
    ("/secrets/hot-read", {}),
    ("/secrets/hot-read?api-version=1.0", {}),
    ("/secrets/restore?api-version=7.4", {}),
    ("/secrets/hot-read?api-version=7.4", {"authorization": "Bearer x"}),
    ("/secrets/hot-read?api-version=7.4", {"authorization": ""}),
    ("/secrets/hot-read?api-version=7.4", {"host": "v.kv.example"}),
    ("/secrets/hot-read?api-version=7.4", {"host": "a b"}),
    ("/secrets/hot-read?api-version=7.4", {"x-ms-client-request-id": "mine"}),
]


class Lanes:
    """The same server with and without its fast lane."""

    def __init__(self, parts: Parts, client: Client) -> None:
        each = surfaces(parts)
        self.routed = create_router(parts, each)
        self.hot = HotReads(each.vault, _unreachable)
        self._client = client

    async def both(self, target: str, headers: dict[str, str]) -> tuple[Answer, Answer]:
        """What each of them answers."""
        return await ask(self.hot, self._client, target, headers), await ask(self.routed, self._client, target, headers)


async def _unreachable(*_: object) -> None:
    raise AssertionError("the fast lane passed it on")


@pytest.fixture(scope="module")
async def lanes(installation: Installation, vault: Client) -> Lanes:
    """Both lanes over the real service."""
    service = installation.service
    await service.set_secret("hot-read", "x", tags={"k": "v"})
    await service.set_secret("hot-expired", "x", expires_at=datetime(2001, 1, 1, tzinfo=UTC))
    await service.set_secret("hot-disabled", "x", enabled=False)
    return Lanes(server_parts(service, installation.settings, Drain()), vault)


@pytest.mark.parametrize(("target", "headers"), CASES)
async def test_both_lanes_answer_alike(lanes: Lanes, target: str, headers: dict[str, str]) -> None:
    await lanes.both(target, headers)  # so that the cache answers both
    hot, routed = await lanes.both(target, headers)
    assert hot == routed


@pytest.mark.parametrize(
    "error", [errors.CircuitOpen("x"), errors.Throttled("x"), errors.IntegrityFailure("x"), OSError()]
)
async def test_both_lanes_fail_alike(stubbed: Stubbed, error: Exception) -> None:
    stubbed.service.error = error
    hot, routed = await Lanes(stubbed.parts, stubbed.client).both("/secrets/a?api-version=7.4", {})
    assert hot == routed
    assert hot[0] >= 429
