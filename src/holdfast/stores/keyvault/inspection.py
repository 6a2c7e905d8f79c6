"""How far one gets to a vault before any login: name, connection, TLS, the clock of the other side."""

import asyncio
import email.utils
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from holdfast.ports.inspection import ReachFacts
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.faults import connection_fault
from holdfast.stores.keyvault.proxies import Proxies
from holdfast.stores.keyvault.transport import open_session, tls_context

_TIMEOUT_S: Final = 10.0


async def look_at(url: str, access: Access) -> tuple[ReachFacts, bytes | None]:
    """Return what a vault shows anybody on the way of an access, and its certificate in DER.

    Raises:
        StartupError: the CA file is not usable.
    """
    connector = _Noting(ssl=tls_context(access.ca_file))
    proxy = Proxies(access, url).options(url)
    through = proxy.get("proxy", "")
    try:
        async with asyncio.timeout(_TIMEOUT_S), open_session(connector) as session:
            asked_at = datetime.now(UTC)
            address = f"{url}/secrets?api-version={access.api_version}"
            async with session.get(address, allow_redirects=False, **proxy) as answer:
                date, answered_at = _parsed(answer.headers.get("Date", "")), datetime.now(UTC)
    except Exception as error:  # whatever goes wrong between two machines, it is judged by its kind
        fault = connection_fault(error)
        return ReachFacts(through=through, kind=fault.kind, fault=fault.text), None
    return ReachFacts(through=through, date=date, asked_at=asked_at, answered_at=answered_at), connector.certificate


class _Noting(aiohttp.TCPConnector):
    """Connections, of which the last one's certificate is kept."""

    certificate: bytes | None = None

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        """Return a connection."""
        connection = await super().connect(*arguments, **options)
        secured: Any = connection.transport.get_extra_info("ssl_object") if connection.transport else None
        self.certificate = secured.getpeercert(binary_form=True) if secured else None
        return connection


def _parsed(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
