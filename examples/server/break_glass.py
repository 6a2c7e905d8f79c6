"""Emergency access on a running server, over its API: once by approvers, once by recovery codes.

HOLDFAST_ADDR, HOLDFAST_TOKEN (or `holdfast login`) and HOLDFAST_CACERT say which server, and who asks: an identity
that may do everything, such as `admin`.
"""

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

from holdfast import AccessDenied, ClientSettings, RemoteService, connect


async def main() -> None:
    settings = ClientSettings.from_environ()
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(connect(settings))
        await admin.set_secret("example-api-password", secrets.token_urlsafe(24))
        ann, ben, erin = [
            await stack.enter_async_context(
                connect(replace(settings, token=await token_of(admin, f"example-api-{who}")))
            )
            for who in ("ann", "ben", "erin")
        ]
        for approver in ("example-api-ann", "example-api-ben"):
            await admin.access.assign_role(approver, "approver", "example-api-*")
        await by_approvers(erin, ann, ben)
        await by_recovery_codes(admin, erin)


async def token_of(admin: RemoteService, name: str) -> str:
    await admin.identities.add(name, "person")
    return (await admin.tokens.create(name, lifetime=timedelta(hours=1))).token


async def by_approvers(erin: RemoteService, ann: RemoteService, ben: RemoteService) -> None:
    request = await erin.break_glass.request("example-api-password", reason="Nobody of the team can be reached")
    await ann.break_glass.approve(request.id)
    granted = await ben.break_glass.approve(request.id)
    secret = await erin.get_secret("example-api-password")
    print(f"Approved by {', '.join(vote.voter for vote in granted.votes)}: {secret}")
    await ann.break_glass.revoke(request.id)
    try:
        await erin.get_secret("example-api-password")
    except AccessDenied as refusal:
        print(f"After the revocation: {refusal}")


async def by_recovery_codes(admin: RemoteService, erin: RemoteService) -> None:
    made = await admin.break_glass.codes.create("example-api-*", number=5, threshold=2)
    print(f"{len(made.codes)} codes, on paper with five people")
    request = await erin.break_glass.request("example-api-password", reason="The identity provider is down")
    granted = await erin.break_glass.redeem(request.id, made.codes[:2])
    print(f"Granted by {granted.decided_by}; {(await admin.break_glass.codes.list())[0].left} codes are left")


asyncio.run(main())
