"""A key in Key Vault that wraps ring keys, through the official SDK. Nothing but the ring key is ever sent to it."""

import asyncio
from typing import Final, Self
from urllib.parse import urlsplit

from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from azure.keyvault.keys.crypto.aio import CryptographyClient

from holdfast.errors import BackendUnavailable
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.audience import is_azure
from holdfast.stores.keyvault.credential import TokenSource
from holdfast.stores.keyvault.errors import ImplausibleAnswer, translated
from holdfast.stores.keyvault.transport import QUIET, open_connector, open_session, transport

PATIENCE_S: Final = 15.0
"""Seconds for logging in and one operation: a start waits for no longer."""

_ALGORITHM: Final = KeyWrapAlgorithm.rsa_oaep_256


class VaultKey:
    """The key of an identifier, for whom ``access`` says. Open it with ``async with``."""

    def __init__(self, identifier: str, access: Access) -> None:
        self._session = open_session(open_connector(access))
        http = transport(self._session, access, identifier)
        self._tokens = TokenSource(access, identifier, transport=http, logger=QUIET)
        self._name = urlsplit(identifier).path.split("/")[2]
        self._client = CryptographyClient(
            identifier,
            self._tokens,
            api_version=access.api_version,
            transport=http,
            logger=QUIET,
            retry_total=0,
            permit_redirects=False,
            verify_challenge_resource=is_azure(identifier),
        )

    async def wrap(self, key: bytes) -> bytes:
        """Return a ring key under this one.

        Raises:
            BackendUnavailable: Key Vault does not answer, or refuses us.
        """
        return await self._asked("wrap", key)

    async def unwrap(self, wrapped: bytes) -> bytes:
        """Return a ring key that was wrapped; likewise."""
        return await self._asked("unwrap", wrapped)

    async def _asked(self, operation: str, given: bytes) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE_S):
                with translated(operation, self._name, writing=False):
                    if operation == "wrap":
                        return _bytes((await self._client.wrap_key(_ALGORITHM, given)).encrypted_key)
                    return _bytes((await self._client.unwrap_key(_ALGORITHM, given)).key)
        except TimeoutError:
            raise BackendUnavailable(f"Key Vault did not {operation} within {PATIENCE_S:.0f} s.") from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        await self._tokens.close()
        await self._session.close()


def _bytes(answer: object) -> bytes:
    if not isinstance(answer, bytes):
        raise ImplausibleAnswer("it holds no value")
    return answer
