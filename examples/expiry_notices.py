"""Be told that a secret expires: here by a webhook to a receiver on this machine.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import base64
import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from holdfast import SecretsService, Settings, create_secrets_service


class Receiver:
    """Takes notices. A real one checks the signature and remembers each ``webhook-id``, to take none twice."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        await self.taken.put(await request.json())
        return web.Response(status=204)

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/notices", self.take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def main() -> None:
    async with create_secrets_service() as service:
        in_ten_days = datetime.now(UTC) + timedelta(days=10, hours=1)
        await service.set_secret("example-notice-key", secrets.token_urlsafe(24), expires_at=in_ten_days)
    receiver = Receiver()
    origin = await receiver.start()
    key = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    channel = {
        "HOLDFAST_NOTICE_CHANNELS": f"ops=webhook:{origin}/notices#{key}",
        "HOLDFAST_NOTICE_TARGETS": origin,  # without this, nothing private is ever called
    }
    async with create_secrets_service(Settings.from_environ({**os.environ, **channel})) as service:
        await show_what_comes(service)
        for result in await service.notices.test():
            print(f"A test to {result.recipient}: {result.error or 'taken'}")
        wanted = {"test", "secret.expiring"}
        while wanted:  # a node looks every minute for what is to be told
            notice = await receiver.taken.get()
            wanted.discard(notice["type"])
            print(f"The receiver got {notice['type']}: {notice['data']['title']}")


async def show_what_comes(service: SecretsService) -> None:
    for secret in await service.check_expiring_secrets(30):
        print(f"{secret.secret_name} expires in {secret.days_until_expiry} days")
    for planned in await service.notices.preview(30):
        print(f"{planned.at:%Y-%m-%d} {planned.topic} on {planned.subject} to {', '.join(planned.recipients)}")


asyncio.run(main())
