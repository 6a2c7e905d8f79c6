"""Key Vault behind ``holdfast.ports.Vault``: each call one attempt, each answer checked, each error typed."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.keyvault.secrets import SecretProperties
from azure.keyvault.secrets.aio import SecretClient

from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import Rejected, SecretNotFound
from holdfast.ports import VaultVersion, carried
from holdfast.stores.keyvault import answers
from holdfast.stores.keyvault.credential import TokenSource, open_credential
from holdfast.stores.keyvault.errors import ImplausibleAnswer, translated
from holdfast.stores.keyvault.transport import open_session, tls_context, transport

_AZURE_DOMAINS: Final = (".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net")

Raw = TypeVar("Raw")
Entry = TypeVar("Entry")


class KeyVaultStore:
    """The vault at an address; see ``open_key_vault`` for the arguments and ``holdfast.ports.Vault`` for the calls."""

    def __init__(
        self,
        vault_url: str,
        *,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        authority: str | None = None,
        ca_file: Path | None = None,
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 10.0,
    ) -> None:
        self._origin = _origin(vault_url)
        self._session = open_session(tls_context(ca_file))
        http = transport(self._session, connect_timeout_s, read_timeout_s)
        self._tokens = TokenSource(
            lambda: open_credential(tenant_id, client_id, client_secret, authority, transport=http)
        )
        self._client = SecretClient(
            vault_url,
            self._tokens,
            transport=http,
            retry_total=0,
            permit_redirects=False,
            verify_challenge_resource=is_azure(vault_url),
            raw_request_hook=self._stay,
            raw_response_hook=self._look,
        )

    async def get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """Return the newest or the given version with its value."""
        with translated("get", name, writing=False):
            return answers.secret(await self._client.get_secret(name, vault_version_id), name, vault_version_id)

    async def set(self, name: str, value: SecretValue, attributes: Attributes, marker: Marker) -> VaultVersion:
        """Create a version that carries ``marker`` among its tags."""
        with translated("set", name, writing=True):
            answer = await self._client.set_secret(
                name,
                value.reveal(),
                enabled=attributes.enabled,
                not_before=attributes.not_before,
                expires_on=attributes.expires_at,
                content_type=attributes.content_type,
                tags={**attributes.tags, MARKER_TAG: str(marker)},
            )
            return answers.secret(answer, name)

    async def update(
        self, name: SecretName, vault_version_id: str, attributes: Attributes, marker: Marker | None
    ) -> None:
        """Replace the attributes of a version; the marker tag is kept.

        Raises:
            Rejected: besides its other reasons, when the vault keeps a date or content type that is to be cleared.
        """
        marked = {MARKER_TAG: str(marker)} if marker else {}
        with translated("update", name, writing=True):
            answer = await self._client.update_secret_properties(
                name,
                vault_version_id,
                enabled=attributes.enabled,
                not_before=attributes.not_before,
                expires_on=attributes.expires_at,
                content_type=attributes.content_type,
                tags={**attributes.tags, **marked},
            )
            leftover = _leftover(answers.version(answer, name).attributes, attributes)
            if leftover:
                await self._clear(name, vault_version_id, leftover)

    async def delete(self, name: SecretName) -> None:
        """Soft-delete; returns when the vault has accepted it."""
        with translated("delete", name, writing=True):
            answers.expect_id(await self._send(HttpRequest("DELETE", f"/secrets/{name}")), name)

    async def recover(self, name: SecretName) -> None:
        """Bring a deleted secret back; returns when the vault has accepted it."""
        with translated("recover", name, writing=True):
            answers.expect_id(await self._send(HttpRequest("POST", f"/deletedsecrets/{name}/recover")), name)

    async def purge(self, name: SecretName) -> None:
        """Destroy a deleted secret for good; returns when the vault has accepted it."""
        with translated("purge", name, writing=True):
            await self._client.purge_deleted_secret(name)

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted."""
        try:
            with translated("get deleted", name, writing=False):
                return answers.name_of(await self._client.get_deleted_secret(name)) == name
        except SecretNotFound:
            return False

    def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion, None]:
        """All versions of a secret in no particular order, without values; nothing for an unknown name."""

        def version(entry: SecretProperties) -> VaultVersion:
            return answers.version(entry, name)

        return _listing("list versions", name, self._client.list_properties_of_secret_versions(name), version)

    def secrets(self) -> AsyncGenerator[VaultVersion, None]:
        """The newest version of every secret, without values and with ``vault_version_id`` ""."""
        return _listing("list", "*", self._client.list_properties_of_secrets(), answers.listed)

    def deleted_secrets(self) -> AsyncGenerator[SecretName, None]:
        """The names of all soft-deleted secrets."""
        return _listing("list deleted", "*", self._client.list_deleted_secrets(), answers.name_of)

    async def aclose(self) -> None:
        """Close connections and credentials."""
        await self._tokens.close()
        await self._client.close()
        await self._session.close()

    async def _send(self, request: HttpRequest) -> Any:
        """Send a request that the SDK's own method would follow up by polling until the vault has settled."""
        response = await self._client.send_request(request)
        response.raise_for_status()
        if response.status_code != 200:
            raise ImplausibleAnswer(f"status {response.status_code}")
        return response.json()

    async def _clear(self, name: SecretName, vault_version_id: str, leftover: dict[str, Any]) -> None:
        """Ask for the removal of attributes in the one form the SDK's own method cannot express: null."""
        request = HttpRequest("PATCH", f"/secrets/{name}/{vault_version_id}", json=leftover)
        body = await self._send(request)
        kept = [key for key in ("nbf", "exp") if key in leftover["attributes"] and body["attributes"].get(key)]
        if kept or (leftover.get("contentType") == "" and body.get("contentType")):
            raise Rejected(
                f"Key Vault keeps the dates or the content type of {name!r}, which were to be cleared: set the secret "
                "again instead of updating it."
            )

    def _stay(self, request: PipelineRequest[HttpRequest]) -> None:
        """Refuse to follow a link to another host, where the SDK would take our token."""
        if _origin(request.http_request.url) != self._origin:
            raise ServiceRequestError("a link of the answer leads to another host")
        request.http_request.headers.update(carried())

    def _look(self, response: PipelineResponse[HttpRequest, AsyncHttpResponse]) -> None:
        """Look at an answer as it came: is a good one of the right shape, did a bad one refuse our token?"""
        if response.http_response.status_code == 200:
            answers.check_types(response.http_response.json())
        elif response.http_response.status_code == 401:
            self._tokens.distrust(response.http_request.headers.get("Authorization", "").removeprefix("Bearer "))


async def _listing(
    operation: str, name: str, pages: AsyncIterable[Raw], convert: Callable[[Raw], Entry]
) -> AsyncGenerator[Entry, None]:
    entries = aiter(pages)
    while True:
        with translated(operation, name, writing=False):
            try:
                entry = convert(await anext(entries))
            except StopAsyncIteration:
                return
        yield entry


def _leftover(found: Attributes, wanted: Attributes) -> dict[str, Any]:
    """Return the PATCH body that clears what should not be there any more; empty if nothing is."""
    dates = {
        key: None
        for key, is_set, should in (
            ("nbf", found.not_before, wanted.not_before),
            ("exp", found.expires_at, wanted.expires_at),
        )
        if is_set and not should
    }
    content_type = {"contentType": ""} if found.content_type and not wanted.content_type else {}
    return {"attributes": dates, **content_type} if dates or content_type else {}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url.strip())
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else None)


def is_azure(vault_url: str) -> bool:
    """Whether the address is one of Azure's own, whose challenge must name its own domain."""
    return (urlsplit(vault_url).hostname or "").endswith(_AZURE_DOMAINS)
