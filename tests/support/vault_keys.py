"""Key Vault's keys API over TLS on loopback: keys that wrap and unwrap, and are never given away.

async with KeysVault() as vault:
    vault.key_id                       # the identifier of an RSA key in it
    vault.fail("unwrap", status=503)
"""

import base64
import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.scripted_vault import ScriptedVault
from tests.support.vault_wire import error_body

_OAEP = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)


class KeysVault(ScriptedVault):
    """A vault with one RSA key. Further operations: key, wrap and unwrap.

    ``readable``: whether our identity may look at the public half, which is a permission of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._version = secrets.token_hex(16)
        self.readable = True

    @property
    def key_id(self) -> str:
        return f"{self.url}/keys/holdfast/{self._version}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not request.path.startswith("/keys/") or token not in self._tokens:
            return await super()._serve(request)
        body = await request.json() if request.can_read_body else {}
        operation, run = self._operation(request.path, body)
        return await self._answer(request, operation, run)

    def _operation(self, path: str, body: dict[str, Any]) -> tuple[str, Callable[[], tuple[int, Any]]]:
        known = f"/keys/holdfast/{self._version}"
        if path == known:
            return "key", self._show
        if path == f"{known}/wrapkey":
            return "wrap", lambda: self._answered(self._key.public_key().encrypt(_decoded(body["value"]), _OAEP))
        if path == f"{known}/unwrapkey" and body["alg"] == "RSA-OAEP-256":
            return "unwrap", lambda: self._unwrap(_decoded(body["value"]))
        return "key", lambda: (404, error_body("KeyNotFound"))

    def _show(self) -> tuple[int, Any]:
        if not self.readable:
            return 403, error_body("Forbidden", "ForbiddenByRbac")
        numbers = self._key.public_key().public_numbers()
        n, e = (_encoded(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.n, numbers.e))
        key = {"kid": self.key_id, "kty": "RSA", "key_ops": ["wrapKey", "unwrapKey"], "n": n, "e": e}
        return 200, {"key": key, "attributes": {"enabled": True, "created": 1_700_000_000, "updated": 1_700_000_000}}

    def _unwrap(self, wrapped: bytes) -> tuple[int, Any]:
        try:
            return self._answered(self._key.decrypt(wrapped, _OAEP))
        except (ValueError, InvalidTag):
            return 400, error_body("BadParameter")

    def _answered(self, value: bytes) -> tuple[int, Any]:
        return 200, {"kid": self.key_id, "value": _encoded(value)}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
