"""Grant access, check it, see it refused, and take it back.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from holdfast import AccessContext, AccessDenied, create_secrets_service


async def main() -> None:
    async with create_secrets_service() as service:
        for name in ("example-database-password", "example-temporary-key"):
            await service.set_secret(name, secrets.token_urlsafe(24))

        grant = await service.grant_access("example-database-password", "user-456", ["get"], granted_by="admin-123")
        print(f"{grant.user_id} may get {grant.pattern}, granted by {grant.granted_by}")

        grant = await service.grant_access(
            "example-temporary-key",
            "contractor-789",
            ["get", "set"],
            granted_by="admin-123",
            expires_at=datetime.now(UTC) + timedelta(days=90),
        )
        print(f"{grant.user_id} may {' and '.join(sorted(grant.permissions))} {grant.pattern} for 90 days")

        reader = AccessContext(user_id="user-456", ip_address="10.0.0.5", user_agent="example/1.0")
        password = await service.get_secret("example-database-password", context=reader)
        print(f"{reader.user_id} got version {password.version} of {password.name}")

        if not await service.check_access("example-database-password", reader.user_id, "rotate"):
            print(f"{reader.user_id} may not rotate example-database-password")

        await service.revoke_access("example-database-password", reader.user_id)
        try:
            await service.get_secret("example-database-password", context=reader)
        except AccessDenied as refusal:
            print(f"After the revocation: {refusal}")


asyncio.run(main())
