"""A stand-in for Entra ID under its own name, which gives tokens of its own to workloads and managed identities."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.folders import short_folder
from tests.support.issuer import LocalIssuer, local_issuer

HOST: Final = "login.microsoftonline.com"
TENANT: Final = "11111111-2222-3333-4444-555555555555"
OID: Final = "aaaaaaaa-0000-4000-8000-000000000001"
ISSUERS: Final = {"1.0": f"https://sts.windows.net/{TENANT}/", "2.0": f"https://{HOST}/{TENANT}/v2.0"}
"""``iss`` by the version of a token."""

SECONDS: Final = 3600


@dataclass
class Entra:
    """It, and the resources that it was asked for. ``version``: of the tokens it gives."""

    server: LocalIssuer
    version: str = "2.0"
    asked: list[str] = field(default_factory=list)

    def token(self, audience: str, **more: object) -> str:
        """A token of the workload, for an audience."""
        claims = {"iss": ISSUERS[self.version], "ver": self.version, "tid": TENANT, "oid": OID, "sub": OID}
        return self.server.token({**claims, "aud": audience, **more})

    def answer(self, resource: str) -> tuple[int, Any]:
        """What its token endpoint says, in members of both versions."""
        self.asked.append(resource)
        expires_on = str(int(time.time()) + SECONDS)
        known = {"token_type": "Bearer", "expires_in": SECONDS, "expires_on": expires_on, "resource": resource}
        return 200, {**known, "access_token": self.token(resource)}


@asynccontextmanager
async def entra() -> AsyncIterator[Entra]:
    """A running one, which is ``HOST`` to anyone who is led there."""
    with short_folder() as folder:
        async with local_issuer(folder, [HOST]) as server:
            found, base = Entra(server), f"https://{HOST}/{TENANT}/oauth2/v2.0"
            server.documents[f"/{TENANT}/v2.0/.well-known/openid-configuration"] = {
                "issuer": ISSUERS["2.0"],
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
            }
            server.answers[f"/{TENANT}/oauth2/v2.0/token"] = lambda form: found.answer(
                form["scope"].split()[0].removesuffix("/.default")
            )
            server.answers["/msi/token"] = lambda query: found.answer(query["resource"])
            yield found
