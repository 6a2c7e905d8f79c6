"""Fetching an issuer's documents: from pinned addresses only, over verified TLS, bounded in size and time."""

import json
import ssl
from pathlib import Path
from typing import Any, Final

import aiohttp

from holdfast.errors import BackendUnavailable

MAX_DOCUMENT_BYTES: Final = 512 * 1024
"""Entra ID's key set with its certificates has some 20 kB."""

PATIENCE_S: Final = 5.0


async def fetch_json(url: str, ca_file: Path | None = None, bearer_token_file: Path | None = None) -> Any:
    """Return the JSON document at an address that the configuration names. Redirects and proxies are not followed.

    Raises:
        BackendUnavailable: no answer, not 200, too long, or not JSON.
    """
    try:
        headers = {"accept": "application/json", **_authorization(bearer_token_file)}
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session,
            session.get(url, headers=headers, allow_redirects=False, ssl=context) as answer,
        ):
            if answer.status != 200:
                raise BackendUnavailable(f"{url} answered {answer.status}")
            return json.loads(await _bounded(answer))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
        raise BackendUnavailable(f"{url} cannot be fetched ({type(error).__name__})") from None


def _authorization(token_file: Path | None) -> dict[str, str]:
    """The header with a token that is read anew each time: Kubernetes replaces it every hour."""
    return {} if token_file is None else {"authorization": f"Bearer {token_file.read_text().strip()}"}


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            raise ValueError("too long")
    return bytes(body)
