"""A KV version 2 engine for tests, on the wire as OpenBao 2.7.2 is: lists, reads, marks of deletion, namespaces."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

TOKEN = "t0ken"
Secrets = dict[str, Mapping[str, object] | None]


@dataclass
class KvEngine:
    """Secrets by namespace and path, mounted at ``secret``. None stands for a deleted newest version.

    ``throttle``: so many requests are refused with 429 first.
    """

    secrets: dict[str, Secrets] = field(default_factory=dict)
    custom: dict[str, dict[str, str]] = field(default_factory=dict)
    throttle: int = 0
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as ASGI has it."""
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        path = scope["raw_path"].decode().partition("?")[0]
        self.asked.append(path)
        status, body = self._answer(path, parse_qs(scope["query_string"].decode()), headers)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def _answer(self, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> tuple[int, Any]:
        if self.throttle:
            self.throttle -= 1
            return 429, {"errors": ["request path is rate limited"]}
        if headers.get("x-vault-token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        secrets = self.secrets.get(headers.get("x-vault-namespace", ""), {})
        if path.startswith("/v1/secret/metadata/") and query.get("list") == ["true"]:
            return self._listed(secrets, unquote(path.removeprefix("/v1/secret/metadata/")).strip("/"))
        if path.startswith("/v1/secret/data/"):
            return self._read(secrets, unquote(path.removeprefix("/v1/secret/data/")))
        return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}

    def _listed(self, secrets: Secrets, folder: str) -> tuple[int, Any]:
        within = f"{folder}/" if folder else ""
        below = [path.removeprefix(within) for path in secrets if path.startswith(within)]
        keys = sorted({name if not slash else f"{name}/" for name, slash, _ in (each.partition("/") for each in below)})
        return (200, _wrapped({"keys": keys})) if keys else (404, {"errors": []})

    def _read(self, secrets: Secrets, path: str) -> tuple[int, Any]:
        if path not in secrets:
            return 404, {"errors": []}
        data = secrets[path]
        deleted = "" if data is not None else "2026-11-24T11:55:44.373193867Z"
        metadata = {
            "created_time": "2026-11-24T11:55:44.199320839Z",
            "custom_metadata": self.custom.get(path),
            "deletion_time": deleted,
            "destroyed": False,
            "version": 1,
        }
        return (404 if data is None else 200), _wrapped({"data": data, "metadata": metadata})


def _wrapped(data: object) -> dict[str, object]:
    return {
        "request_id": "90f8e446-15ce-8fcf-745e-666291ae7ba8",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    }
