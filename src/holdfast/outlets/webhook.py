"""Lines as the body of a POST, ``application/x-ndjson``. Any 2xx is a receipt; redirects are not followed."""

import http.client
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from holdfast.outlets.detached import PATIENCE_S, Detached

_HEADERS: Final = {"Content-Type": "application/x-ndjson", "User-Agent": "holdfast"}
_MULTIPLE_CHOICES: Final = 300


class WebhookOutlet:
    """A connection for each delivery. Implements ``ports.Outlet``."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self._thread = name, Detached()
        parts = urlsplit(url)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port
        self._target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"

    async def send(self, lines: Sequence[bytes]) -> None:
        """See the port."""
        await self._thread.run(lambda: self._post(b"".join(line + b"\n" for line in lines)))

    def _post(self, body: bytes) -> None:
        connection = self._connection()
        try:
            connection.request("POST", self._target, body, _HEADERS)
            status = connection.getresponse().status
        except http.client.HTTPException as error:
            raise OSError("no HTTP") from error
        finally:
            connection.close()
        if not http.client.OK <= status < _MULTIPLE_CHOICES:
            raise ConnectionRefusedError(f"status {status}")

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=PATIENCE_S, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
