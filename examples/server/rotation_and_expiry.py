"""Rotate on a running server, plan rotations, and see what expires and who will be told, over its API.

HOLDFAST_ADDR, HOLDFAST_TOKEN (or `holdfast login`) and HOLDFAST_CACERT say which server, and who asks: an identity
that may do everything, such as `admin`.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from holdfast import RemoteService, RotationPolicy, connect


async def main() -> None:
    async with connect() as service:
        await rotate(service)
        await plan(service)
        await see_what_expires(service)


async def rotate(service: RemoteService) -> None:
    by_hand = RotationPolicy(interval_days=90, notify_days_before=14, auto_rotate=False, handler="random")
    await service.set_secret("example-api-signing-key", secrets.token_urlsafe(24), rotation_policy=by_hand)
    before = await service.get_secret("example-api-signing-key")
    result = await service.rotate_secret("example-api-signing-key")
    print(f"{result.secret_name} is rotated to version {result.version}")
    await service.rollback_secret("example-api-signing-key", before.version)
    print("Rolled back, as a new version; the history stays")


async def plan(service: RemoteService) -> None:
    policy = await service.schedule_rotation("example-api-signing-key", 30)
    print(f"Rotated every {policy.interval_days} days")
    for run in await service.rotations.runs(limit=1):
        print(f"The last rotation: {run.name}, {run.phase}")
    print(f"{len(await service.execute_scheduled_rotations())} rotations were due")


async def see_what_expires(service: RemoteService) -> None:
    in_ten_days = datetime.now(UTC) + timedelta(days=10, hours=1)
    await service.set_secret(
        "example-api-certificate",
        secrets.token_urlsafe(24),
        expires_at=in_ten_days,
        notify_on_expiry=["ops@example.com"],
    )
    for secret in await service.check_expiring_secrets(30):
        print(f"{secret.secret_name} expires in {secret.days_until_expiry} days")
    planned = await service.notices.preview(30)
    print(f"{len(planned)} notices are planned" if planned else "Nobody will be told: the server has no mail set up")


asyncio.run(main())
