"""Read and change many secrets at once.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets

from holdfast import SecretsService, create_secrets_service

NAMES = ("example-database-password", "example-stripe-api-key", "example-jwt-secret")


async def main() -> None:
    async with create_secrets_service() as service:
        await asyncio.gather(*(service.set_secret(name, secrets.token_urlsafe(24)) for name in NAMES))

        read = await asyncio.gather(*(service.get_secret(name) for name in NAMES))
        print(f"Got {len(read)} secrets at once: {', '.join(secret.name for secret in read)}")

        await renew(service, [*NAMES, "not_a_name"])


async def renew(service: SecretsService, names: list[str]) -> None:
    """Give each secret a new value; one that fails does not keep the others from theirs."""
    results = await asyncio.gather(
        *(service.set_secret(name, secrets.token_urlsafe(24)) for name in names), return_exceptions=True
    )
    for name, result in zip(names, results, strict=True):
        if isinstance(result, BaseException):
            print(f"Failed to renew {name}: {result}")
        else:
            print(f"Renewed {name}: version {result.version}")


asyncio.run(main())
