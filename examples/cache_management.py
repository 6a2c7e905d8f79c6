"""Fill the caches when an application starts, and let go of an entry.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets

from holdfast import create_secrets_service

NAMES = ("example-database-password", "example-stripe-api-key", "example-jwt-secret", "example-encryption-key")


async def main() -> None:
    async with create_secrets_service() as service:
        for name in NAMES:
            await service.set_secret(name, secrets.token_urlsafe(24))

        warmed = await service.warm_cache(NAMES)
        print(f"Warmed {warmed} secrets")
        for name in NAMES:
            print(f"{name} comes from the {(await service.get_secret(name)).source}")

        await service.invalidate_cache("example-jwt-secret")
        print(
            f"Invalidated, example-jwt-secret comes from the {(await service.get_secret('example-jwt-secret')).source}"
        )


asyncio.run(main())
