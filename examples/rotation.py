"""Rotate secrets: with a function, with a handler of four steps, on a schedule.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets

from holdfast import AccessContext, Rotation, RotationHandler, RotationPolicy, SecretsService, create_secrets_service


class ApiKeys(RotationHandler):
    """Keys at an imaginary provider, which accepts any number of them at a time."""

    reversible = True

    def __init__(self, first: str) -> None:
        self.accepted = {first}

    async def create(self, rotation: Rotation) -> str:
        return secrets.token_urlsafe(24)

    async def apply(self, rotation: Rotation) -> None:
        self.accepted.add(rotation.candidate)

    async def test(self, rotation: Rotation) -> None:
        if rotation.candidate not in self.accepted:
            raise RuntimeError("the provider does not know this key")

    async def retire(self, rotation: Rotation) -> None:
        self.accepted.discard(rotation.current)


async def main() -> None:
    async with create_secrets_service() as service:
        await with_a_function(service)
        await with_a_handler(service)
        await on_a_schedule(service)


async def with_a_function(service: SecretsService) -> None:
    await service.set_secret("example-database-password", secrets.token_urlsafe(24))
    await service.grant_access("example-database-password", "admin-123", ["rotate"])

    async def new_password() -> str:
        return secrets.token_urlsafe(32)  # and make it valid at the database, if it is not yours to hand in later

    admin = AccessContext(user_id="admin-123", ip_address="10.0.0.5")
    result = await service.rotate_secret("example-database-password", new_password, context=admin)
    print(f"{result.secret_name} is rotated to version {result.version}")


async def with_a_handler(service: SecretsService) -> None:
    first = secrets.token_urlsafe(24)
    await service.set_secret("example-stripe-api-key", first)
    provider = ApiKeys(first)
    service.register_rotation_handler("example-stripe-*", provider)
    await service.rotate_secret("example-stripe-api-key")
    print(f"The provider accepts {len(provider.accepted)} keys until all have fetched the new one")
    await service.rotations.retire("example-stripe-api-key")
    print(f"Retired by decision: it accepts {len(provider.accepted)}")


async def on_a_schedule(service: SecretsService) -> None:
    policy = await service.schedule_rotation("example-stripe-api-key", 90)
    print(f"Rotated every {policy.interval_days} days")
    by_hand = RotationPolicy(interval_days=90, notify_days_before=14, auto_rotate=False, handler="random")
    await service.set_secret(
        "example-jwt-secret", "secret_value", description="JWT signing secret", rotation_policy=by_hand
    )
    for result in await service.execute_scheduled_rotations():
        outcome = "rotated" if result.success else f"failed: {result.error_message}"
        print(f"{result.secret_name} {outcome}")
    print("Nothing else is due")


asyncio.run(main())
