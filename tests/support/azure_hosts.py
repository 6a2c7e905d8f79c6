"""What Azure puts next to a process that runs in it: endpoints of managed identities, in plain HTTP on loopback.

    async with ScriptedVault() as vault, IdentityHost(vault) as host:
        environ = {**vault.environ(), **host.app_service()}

The shapes are those of Microsoft's documents: ``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER`` of App Service, Functions
and Container Apps (api-version 2019-08-01), and the Instance Metadata Service of virtual machines (2018-02-01).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography import x509

from tests.support.scripted_vault import CLIENT_ID, ScriptedVault

HEADER = "c4n4ry-of-the-host"
"""What the host gives to its own processes alone."""

_UNKNOWN_THERE = {"statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found for c4n4ry"}
_UNKNOWN_TO_IMDS = {"error": "invalid_request", "error_description": "Identity not found c4n4ry"}


def registered(file: Path, authority: str) -> Callable[[str], int]:
    """Return how Entra ID judges an assertion for a client whose certificate is in ``file``: 0, or a code.

    ``authority``: the address of its tenant.
    """
    certificate = x509.load_pem_x509_certificate(file.read_bytes())

    def fault(assertion: str) -> int:
        address = f"{authority}/oauth2/v2.0/token"
        try:
            claims = jwt.decode(assertion, certificate.public_key(), ["RS256", "PS256"], audience=address)  # type: ignore[arg-type]  # it is RSA
        except jwt.InvalidTokenError:
            return 700027
        return 0 if claims["iss"] == claims["sub"] == CLIENT_ID else 700016

    return fault


class IdentityHost:
    """Both endpoints, whose tokens a vault accepts. ``identities``: client ids; "" is the system-assigned one.

    ``asked``: the query of each request that was answered or refused.
    """

    def __init__(self, vault: ScriptedVault, *identities: str) -> None:
        self._vault = vault
        self.identities = set(identities or ("",))
        self.asked: list[dict[str, str]] = []
        self.url = ""

    def app_service(self) -> dict[str, str]:
        """Return what App Service sets for its processes."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": HEADER}

    def machine(self) -> dict[str, str]:
        """Return what has azure-identity ask here instead of 169.254.169.254."""
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.url}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/msi/token", self._of_app_service)
        app.router.add_get("/metadata/identity/oauth2/token", self._of_machine)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _of_app_service(self, request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != HEADER or request.query["api-version"] != "2019-08-01":
            return web.Response(status=401)
        return self._answer(request, _UNKNOWN_THERE, {"expires_on": str(int(time.time()) + 3600)})

    async def _of_machine(self, request: web.Request) -> web.Response:
        if request.headers.get("Metadata") != "true" or request.query["api-version"] != "2018-02-01":
            return web.Response(status=400)
        return self._answer(request, _UNKNOWN_TO_IMDS, {"expires_on": str(int(time.time()) + 3600)})

    def _answer(self, request: web.Request, unknown: dict[str, Any], terms: dict[str, str]) -> web.Response:
        self.asked.append(dict(request.query))
        if request.query.get("client_id", "") not in self.identities:
            return web.json_response(unknown, status=400)
        return web.json_response({**self._vault.new_token(), "resource": request.query["resource"], **terms})
