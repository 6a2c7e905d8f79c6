"""List the versions of a secret, read an earlier one, and go back to it.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from holdfast import create_secrets_service


async def main() -> None:
    async with create_secrets_service() as service:
        in_a_year = datetime.now(UTC) + timedelta(days=365)
        first = await service.set_secret("example-stripe-api-key", secrets.token_urlsafe(24))
        second = await service.set_secret("example-stripe-api-key", secrets.token_urlsafe(24), expires_at=in_a_year)

        by_number = await service.get_secret_version("example-stripe-api-key", first.version)
        by_id = await service.get_secret_version("example-stripe-api-key", first.version_id)
        print(f"Version {by_number.version} by number and by id: the same value is {by_number.value == by_id.value}")

        back = await service.rollback_secret("example-stripe-api-key", first.version)
        current = await service.get_secret("example-stripe-api-key")
        print(
            f"Rolled back from version {second.version}: version {back.version} has the value of version "
            f"{first.version}: {current.value == by_number.value}"
        )

        for version in await service.list_secret_versions("example-stripe-api-key"):
            print(f"Version {version.version}:")
            print(f"  Created: {version.created_at:%Y-%m-%d %H:%M:%S}")
            print(f"  Expires: {version.expires_at or 'never'}")
            print(f"  Enabled: {version.enabled}")


asyncio.run(main())
