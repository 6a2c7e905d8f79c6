"""Move secrets out of environment variables.

    DB_PASSWORD=... STRIPE_API_KEY=... JWT_SECRET=... python examples/migration.py

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names. Run again, it changes nothing.

The same without a script, with a report first and whole files: `holdfast import env DB_PASSWORD STRIPE_API_KEY`.
"""

import asyncio
import os

from holdfast import Conflict, RotationPolicy, create_secrets_service

VARIABLES = {
    "example-database-password": "DB_PASSWORD",
    "example-stripe-api-key": "STRIPE_API_KEY",
    "example-jwt-secret": "JWT_SECRET",
}
POLICY = RotationPolicy(enabled=True, interval_days=90, notify_days_before=14, auto_rotate=False)


async def main() -> None:
    async with create_secrets_service() as service:
        for name, variable in VARIABLES.items():
            value = os.environ.get(variable)
            if value is None:
                print(f"Skipped {name}: {variable} is not set")
                continue
            try:
                await service.set_secret(
                    name,
                    value,
                    description=f"Migrated from environment variable {variable}",
                    rotation_policy=POLICY,
                    expected_generation=0,  # never over what is there
                )
            except Conflict:
                print(f"{name} is there already")
            # Where the application said os.environ["DB_PASSWORD"], it now asks the service.
            migrated = await service.get_secret(name)
            print(f"Migrated {variable} to {name}: same value is {migrated.value == value}")
    print("Next: remove the variables from your .env file and deployment, and read the secrets by name.")


asyncio.run(main())
