"""See what expires, how the whole is, and who read what.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from holdfast import AccessContext, AccessDenied, SecretsService, create_secrets_service


async def main() -> None:
    async with create_secrets_service() as service:
        await prepare(service)
        await show_expiring(service)
        await show_health(service)
        await show_history(service)


async def prepare(service: SecretsService) -> None:
    """A key that expires soon, read by its owner and asked for by somebody without a grant."""
    in_ten_days = datetime.now(UTC) + timedelta(days=10, hours=1)
    await service.set_secret("example-api-key", secrets.token_urlsafe(24), expires_at=in_ten_days)
    await service.get_secret("example-api-key")
    try:
        await service.get_secret("example-api-key", context=AccessContext(user_id="stranger"))
    except AccessDenied:
        print("A stranger was refused")


async def show_expiring(service: SecretsService) -> None:
    for secret in await service.check_expiring_secrets(30):
        print(f"{secret.secret_name} expires in {secret.days_until_expiry} days")


async def show_health(service: SecretsService) -> None:
    health = await service.get_secret_health()
    print("Secrets health report:")
    print(f"  Healthy: {health.healthy}")
    print(f"  Total secrets: {health.total_secrets}")
    print(f"  Expiring soon (30 days): {health.expiring_soon}")
    print(f"  Expired: {health.expired}")
    print(f"  Without rotation policy: {health.without_rotation_policy}")
    print(f"  Last rotation check: {health.last_rotation_check or 'never'}")
    for backend in health.backends:
        state = "healthy" if backend.healthy else f"unhealthy: {backend.detail}"
        print(f"  Backend {backend.name}: {state if backend.configured else 'not configured'}")
    for recommendation in health.recommendations:
        print(f"  - {recommendation}")


async def show_history(service: SecretsService) -> None:
    for record in await service.get_access_history("example-api-key", 50):
        outcome = "ok" if record.success else f"refused: {record.error_message}"
        print(f"{record.timestamp:%Y-%m-%d %H:%M:%S} {record.user_id} {record.operation} {outcome}")


asyncio.run(main())
