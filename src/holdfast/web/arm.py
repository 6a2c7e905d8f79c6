"""A resource manager, read-only: what `az` and Terraform look up before they talk to a vault.

It is served under every name that a vault can have, next to the vault itself. One document needs no token, for clients
learn from it where they get one; it says no more than the name it was asked under and the challenge's audience.
"""

from http import HTTPStatus
from typing import Final

import msgspec

from holdfast.auth.clients import ClientTokens
from holdfast.errors import Unauthenticated
from holdfast.keyvault_wire.arm_documents import Cloud, place_of
from holdfast.keyvault_wire.arm_routes import ArmRefusal, Asked, asked, is_open
from holdfast.keyvault_wire.responses import error_body
from holdfast.keyvault_wire.routes import MethodNotAllowed
from holdfast.web.admission import Admission
from holdfast.web.errors import refusal, refusal_headers
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.facade import Installation
from holdfast.web.keyvault import VaultFacts

_encode: Final = msgspec.json.Encoder().encode


class ResourceManager:
    """Answers what is asked about the cloud, the subscription and the vault that this server is."""

    def __init__(
        self, installation: Installation, admission: Admission, clients: ClientTokens, facts: VaultFacts
    ) -> None:
        self._installation, self._admission = installation, admission
        self._clients, self._facts = clients, facts

    async def handle(self, exchange: Exchange) -> Reply:
        """Answer any request. But for the open document, authentication comes before anything else is looked at."""
        if not is_open(exchange.raw_path):
            caller = await self._admission.caller(exchange)
            question = asked(exchange.method, exchange.raw_path, exchange.query)
            await self._installation.whoami(context=caller)  # puts it on record
            return self._answer(exchange, question)
        return self._answer(exchange, asked(exchange.method, exchange.raw_path, exchange.query))

    def refuse(self, error: Exception, exchange: Exchange) -> Reply:
        """Return the answer to a request that failed."""
        if isinstance(error, ArmRefusal):
            return Reply(error.status, error_body(error.arm_code, str(error)))
        if isinstance(error, Unauthenticated):
            body = error_body("AuthenticationFailed", f"Authentication failed. {error}")
            return Reply(HTTPStatus.UNAUTHORIZED, body, refusal_headers(error, self._challenge(exchange)))
        text = f"{error}: this resource manager is read-only." if isinstance(error, MethodNotAllowed) else None
        return refusal(error, exchange.request_id, text=text)

    def _challenge(self, exchange: Exchange) -> str | None:
        """The challenge in the resource manager's form, which names the authority alone; None at a name of Azure's."""
        if self._clients.resource_of(exchange.host) is None:
            return None
        authority = self._admission.authority_for(exchange)
        return f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="Get a token there."'

    def _answer(self, exchange: Exchange, question: Asked) -> Reply:
        found = self._cloud(exchange.host).answer(question)
        if found is None:
            raise ArmRefusal(
                HTTPStatus.NOT_FOUND,
                "ResourceNotFound",
                "There is one subscription here, GET /subscriptions names it, with one group and one vault: "
                "the name that this server is called by.",
            )
        return Reply(HTTPStatus.OK, _encode(found))

    def _cloud(self, host: str) -> Cloud:
        place, resource = place_of(host), self._clients.resource_of(host)
        if place is None or resource is None:
            raise ArmRefusal(
                HTTPStatus.NOT_FOUND,
                "NotFound",
                "No vault has a name like the one this server is called by: call it by one such as "
                "my.vault.example.com, with HOLDFAST_RESOURCE=https://vault.example.com.",
            )
        return Cloud(
            place=place,
            resource=resource,
            tenant=self._clients.tenant,
            retention_days=self._facts.retention_days,
            purge_protection=self._facts.purge_protection,
        )
