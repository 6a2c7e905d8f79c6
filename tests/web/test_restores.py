"""I14: what restores may cost, whose bodies are a thousand times as long as any other."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from holdfast.web.app import create_app
from holdfast.web.keyvault import RESTORES_AT_ONCE
from tests.web.conftest import Stubbed


async def test_i14_few_backups_are_in_memory_at_a_time(stubbed: Stubbed) -> None:
    app, arriving = create_app(stubbed.parts), 0
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/secrets/restore",
        "raw_path": b"/secrets/restore",
        "root_path": "",
        "query_string": b"api-version=7.4",
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

    requests = [asyncio.ensure_future(app(dict(scope), receive, send)) for _ in range(RESTORES_AT_ONCE + 3)]
    await asyncio.sleep(0.1)
    assert arriving == RESTORES_AT_ONCE
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
