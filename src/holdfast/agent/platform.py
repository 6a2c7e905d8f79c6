"""The platform's own endpoint: App Service's or one like it, where the agent's environment names it, else that of VMs.

It is asked for tokens that are none of Holdfast's, and only where the agent was told to (``--pass-on``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp
import msgspec

from holdfast import identity_wire as wire
from holdfast.agent.answers import Answer
from holdfast.client.connection import unreachable
from holdfast.errors import UNREADABLE, BackendUnavailable
from holdfast.outbound.answers import read_whole

IMDS: Final = "http://169.254.169.254"
"""Azure's Instance Metadata Service, the same on every VM; ``AZURE_POD_IDENTITY_AUTHORITY_HOST`` names another one."""

IMDS_PATH: Final = "/metadata/identity/oauth2/token"
IMDS_VERSION: Final = "2018-02-01"
PATIENCE_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 * 1024

_NAMES: Final = {
    wire.PRESENT: {"client_id": "client_id", "object_id": "object_id", "resource_id": "mi_res_id"},
    wire.FORMER: {"client_id": "clientid", "object_id": "object_id", "resource_id": "mi_res_id"},
    IMDS_VERSION: {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_res_id"},
}
"""What each version calls the id of an identity."""


@dataclass(frozen=True, slots=True)
class Platform:
    """An endpoint of the platform: its address, the version it speaks, and the headers that it wants to see."""

    url: str
    version: str
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Return the endpoint that an environment names, or that of VMs."""
        for (address, secret), version, header in zip(
            (("IDENTITY_ENDPOINT", "IDENTITY_HEADER"), ("MSI_ENDPOINT", "MSI_SECRET")),
            (wire.PRESENT, wire.FORMER),
            wire.SECRET_HEADERS,
            strict=True,
        ):
            if environ.get(address) and environ.get(secret):
                return cls(environ[address], version, {header: environ[secret]})
        host = environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or IMDS
        return cls(host.rstrip("/") + IMDS_PATH, IMDS_VERSION, {"Metadata": "true"})

    async def ask(self, question: wire.Question) -> Answer:
        """Return the platform's answer, a refusal too, as it is.

        Raises:
            BackendUnavailable: it is out of reach, or its answer is none.
        """
        query = {"api-version": self.version, "resource": question.resource}
        if question.identity is not None:
            kind, text = question.identity
            query[_NAMES[self.version][kind]] = text
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S), trust_env=False) as session,
                session.get(self.url, params=query, headers=dict(self.headers), allow_redirects=False) as answer,
            ):
                return _understood(answer.status, await read_whole(answer, _MAX_ANSWER_BYTES))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise BackendUnavailable(f"The platform's own endpoint: {unreachable(self.url, error)}") from None


def _understood(status: int, raw: bytes) -> Answer:
    try:
        said = msgspec.json.decode(raw, type=dict[str, object])
    except UNREADABLE:
        raise BackendUnavailable(f"The platform's own endpoint answered {status}, and not in JSON.") from None
    if status == 200:
        return Answer(status, raw)
    # IMDS refuses in other words than App Service, whose program asks here.
    words = {"statusCode": status, "message": said.get("message") or said.get("error_description") or "refused"}
    return Answer(status if 400 <= status < 600 else 502, msgspec.json.encode({**said, **words}))
