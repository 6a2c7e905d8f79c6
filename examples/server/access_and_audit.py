"""Access control and audit against a running server, over its API.

HOLDFAST_ADDR, HOLDFAST_TOKEN (or `holdfast login`) and HOLDFAST_CACERT say which server, and who asks: an identity
that may do everything, such as `admin`.
"""

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from holdfast import AccessDenied, ClientSettings, RemoteService, connect


async def main() -> None:
    settings = ClientSettings.from_environ()
    async with connect(settings) as admin:
        token = await prepare(admin)
        async with connect(replace(settings, token=token)) as reader:
            await read(admin, reader)
        await show_audit(admin)


async def prepare(admin: RemoteService) -> str:
    """A secret, an identity that may read it, and a token of that identity."""
    await admin.set_secret("example-database-password", secrets.token_urlsafe(24))
    await admin.identities.add("example-reader")
    in_three_months = datetime.now(UTC) + timedelta(days=90)
    grant = await admin.grant_access("example-database-password", "example-reader", ["get"], expires_at=in_three_months)
    print(f"{grant.user_id} may get {grant.pattern} for 90 days")
    return (await admin.tokens.create("example-reader", lifetime=timedelta(hours=1))).token


async def read(admin: RemoteService, reader: RemoteService) -> None:
    password = await reader.get_secret("example-database-password")
    print(f"example-reader got version {password.version} of {password.name}: {password}")
    reason = await admin.access.explain("example-database-password", "example-reader", "rotate")
    print(f"May example-reader rotate it? {'yes' if reason.allowed else 'no'}")
    await admin.revoke_access("example-database-password", "example-reader")
    try:
        await reader.get_secret("example-database-password")
    except AccessDenied as refusal:
        print(f"After the revocation: {refusal}")


async def show_audit(admin: RemoteService) -> None:
    for record in await admin.get_access_history("example-database-password", 50):
        outcome = "ok" if record.success else f"refused: {record.error_message}"
        print(f"{record.timestamp:%Y-%m-%d %H:%M:%S} {record.user_id} {record.operation} {outcome}")


asyncio.run(main())
