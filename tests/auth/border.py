"""The border that tokens of one issuer have to cross."""

from datetime import UTC, datetime
from typing import Any

from holdfast.auth.keptkeys import KeptKeys
from holdfast.auth.oidc import Issuers, Vouched
from holdfast.config.issuers import IssuerSettings
from holdfast.errors import Unauthenticated
from tests.support.clock import VirtualClock
from tests.support.issuer import LocalIssuer

AUDIENCE = "api://holdfast"


def trusting(issuer: LocalIssuer, **more: Any) -> IssuerSettings:
    usual: dict[str, Any] = {
        "name": "idp",
        "issuer": issuer.url,
        "audiences": frozenset({AUDIENCE}),
        "required_claims": {},
        "ca_file": issuer.ca_file,
    }
    return IssuerSettings(**{**usual, **more})


class Border:
    """Where tokens of one issuer are checked."""

    def __init__(self, settings: IssuerSettings, kept: KeptKeys | None = None) -> None:
        self.clock = VirtualClock(start=datetime.now(UTC))
        self.issuers = Issuers((settings,), self.clock, kept=kept)

    async def vouch(self, token: str) -> Vouched:
        found = self.issuers.of(token)
        if found is None:
            raise Unauthenticated("no token of a trusted issuer")
        return await found[0].vouch(token, found[1])


CLAIMS = {"sub": "app-1", "aud": AUDIENCE}
