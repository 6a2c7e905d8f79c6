"""Emergency access: ask for it, have two others agree, read, give it back.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio
import secrets
from datetime import timedelta

from holdfast import AccessContext, AccessDenied, Secret, SecretsService, create_secrets_service


async def emergency_access(service: SecretsService, secret_name: str, admin: AccessContext) -> Secret:
    """Nothing has to be revoked afterwards: the grant ends by itself, also if this process does not live to see it."""
    request = await service.break_glass.request(
        secret_name,
        reason="The primary is down, and the failover asks for the password",
        duration=timedelta(hours=1),
        context=admin,
    )
    print(f"Request {request.id}: {request.approvers} others must agree until {request.open_until:%H:%M}")
    for approver in ("example-ann", "example-ben"):  # each of them does it somewhere else, as `break-glass approve`
        request = await service.break_glass.approve(request.id, context=AccessContext(user_id=approver))
        print(f"{approver} agrees; it is {request.state}")
    return await service.get_secret(secret_name, context=admin)


async def main() -> None:
    async with create_secrets_service() as service:
        await service.set_secret("example-database-password", secrets.token_urlsafe(24))
        for approver in ("example-ann", "example-ben"):
            await service.access.assign_role(approver, "approver", "example-*")

        admin = AccessContext(user_id="example-admin", ip_address="10.0.0.5", user_agent="example/1.0")
        secret = await emergency_access(service, "example-database-password", admin)
        print(f"{admin.user_id} got version {secret.version} of {secret.name}: {secret}")
        print((await service.access.explain("example-database-password", admin.user_id, "get")).reason)

        (request,) = await service.break_glass.list(open_only=True, context=admin)
        await service.break_glass.withdraw(request.id, context=admin)
        try:
            await service.get_secret("example-database-password", context=admin)
        except AccessDenied as refusal:
            print(f"Given back: {refusal}")


asyncio.run(main())
