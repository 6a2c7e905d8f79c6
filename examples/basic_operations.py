"""Set, get, delete, recover and purge secrets.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from holdfast import create_secrets_service


async def main() -> None:
    async with create_secrets_service() as service:
        written = await service.set_secret("example-new-api-key", secrets.token_urlsafe(24))
        print(f"Set {written.name}: version {written.version}")

        api_key = await service.get_secret("example-new-api-key")
        print(f"Got {api_key.name}: version {api_key.version}, from the {api_key.source}; printed, it shows {api_key}")

        await service.set_secret(
            "example-database-password",
            secrets.token_urlsafe(24),
            description="Production database password",
            expires_at=datetime.now(UTC) + timedelta(days=365),
            tags={"environment": "production", "service": "api"},
            notify_on_expiry=["admin@example.com", "ops@example.com"],
        )
        password = await service.get_secret("example-database-password")
        print(f"Set {password.name} with metadata: {password.description}, tags {dict(password.tags)}")

        await service.set_secret("example-old-api-key", secrets.token_urlsafe(24))
        deleted = await service.delete_secret("example-old-api-key")
        print(f"Deleted {deleted.name}: it can be recovered until {deleted.scheduled_purge_at:%Y-%m-%d}")

        recovered = await service.recover_secret("example-old-api-key")
        print(f"Recovered {recovered.name}: version {recovered.version} is current again")

        await service.set_secret("example-definitely-delete-this", secrets.token_urlsafe(24))
        await service.delete_secret("example-definitely-delete-this")
        await service.purge_secret("example-definitely-delete-this")
        print("Purged example-definitely-delete-this: nobody can bring it back")


asyncio.run(main())
