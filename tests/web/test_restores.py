"""I14: what restores may cost, whose bodies are a thousand times as long as any other."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from holdfast.web.admission import LARGE_AT_ONCE
from holdfast.web.app import create_app
from tests.web.conftest import Stubbed

PATHS = ("/secrets/restore", "/v1/secrets:restore")


@pytest.mark.parametrize("paths", [PATHS[:1], PATHS[1:], PATHS], ids=["Key Vault's", "ours", "both"])
async def test_i14_few_backups_are_in_memory_at_a_time(stubbed: Stubbed, paths: tuple[str, ...]) -> None:
    app, arriving = create_app(stubbed.parts), 0
    scope = {
        "type": "http",
        "method": "POST",
        "root_path": "",
        "headers": [
            (b"host", stubbed.client.authority.encode()),
            (b"authorization", f"Bearer {stubbed.client.token}".encode()),
        ],
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> MutableMapping[str, Any]:
        nonlocal arriving
        arriving += 1
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None: ...

    def restore(path: str) -> asyncio.Future[None]:
        query = b"" if path.startswith("/v1/") else b"api-version=7.4"
        sent = {**scope, "path": path, "raw_path": path.encode(), "query_string": query}
        return asyncio.ensure_future(app(sent, receive, send))

    requests = [restore(path) for path in paths for _ in range(LARGE_AT_ONCE + 3)]
    await asyncio.sleep(0.1)
    assert arriving == LARGE_AT_ONCE
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
