"""The secrets part of Key Vault's REST API over the model: paths in, JSON out."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from holdfast.domain.attributes import Attributes, dated
from holdfast.errors import (
    BackendUnavailable,
    HoldfastError,
    Rejected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    TransitionPending,
)
from tests.support.vault_model import ModelSecret, ModelVersion, Phase, VaultModel

RESOURCE = "https://vault.azure.net"
RETENTION_DAYS = 90
RETENTION_S = RETENTION_DAYS * 86_400

ERROR_STATUS: Mapping[type[HoldfastError], tuple[int, str, str | None]] = {
    SecretNotFound: (404, "SecretNotFound", None),
    SecretDisabled: (403, "Forbidden", "SecretDisabled"),
    SecretDeleted: (409, "Conflict", "ObjectIsDeletedButRecoverable"),
    TransitionPending: (409, "Conflict", "*"),
    Rejected: (403, "Forbidden", None),
    BackendUnavailable: (503, "ServiceUnavailable", None),
}

Outcome = tuple[int, Any]


def error_body(code: str, inner: str | None = None) -> Any:
    """The JSON of an error."""
    error: dict[str, Any] = {"code": code, "message": f"{code} as scripted"}
    if inner:
        error["innererror"] = {"code": inner}
    return {"error": error}


def operations(
    model: VaultModel, url: str, method: str, path: str, query: Mapping[str, str], body: Any
) -> tuple[str, Callable[[], Outcome]]:
    """Return the name of the operation that a request asks for, and the operation itself."""
    match method, [part for part in path.split("/") if part]:
        case "GET", ["secrets"]:
            return "list", lambda: _page(url, path, query, [_item(url, each) for each in model.secrets()])
        case "GET", ["secrets", name, "versions"]:
            return "versions", lambda: _page(
                url, path, query, [_bundle(url, name, each) for each in model.versions(name)]
            )
        case "GET", ["secrets", name, *rest]:
            return "get", lambda: _with_value(url, *model.get(name, rest[0] if rest else None))
        case "PUT", ["secrets", name]:
            return "set", lambda: _with_value(url, *model.set(name, body["value"], _attributes(body, Attributes())))
        case "PATCH", ["secrets", name, *rest]:
            return "update", lambda: _changed(
                url, *model.update(name, rest[0] if rest else None, lambda old: _attributes(body, old))
            )
        case "DELETE", ["secrets", name]:
            return "delete", lambda: (200, _deleted(url, model.delete(name)))
        case "GET", ["deletedsecrets"]:
            return "list_deleted", lambda: _page(
                url, path, query, [_deleted(url, each, item=True) for each in model.secrets(Phase.DELETED)]
            )
        case "GET", ["deletedsecrets", name]:
            return "deleted", lambda: (200, _deleted(url, model.deleted(name)))
        case "POST", ["deletedsecrets", name, "recover"]:
            return "recover", lambda: _recovered(url, model.recover(name))
        case "DELETE", ["deletedsecrets", name]:
            return "purge", lambda: _purged(model, name)
    return "unknown", lambda: (405, error_body("MethodNotAllowed"))


def _with_value(url: str, secret: ModelSecret, version: ModelVersion) -> Outcome:
    return 200, {"value": version.value, **_bundle(url, secret.name, version)}


def _changed(url: str, secret: ModelSecret, version: ModelVersion) -> Outcome:
    return 200, _bundle(url, secret.name, version)


def _recovered(url: str, secret: ModelSecret) -> Outcome:
    return 200, _bundle(url, secret.name, secret.newest)


def _purged(model: VaultModel, name: str) -> Outcome:
    model.purge(name)
    return 204, None


def _item(url: str, secret: ModelSecret) -> dict[str, Any]:
    return {**_bundle(url, secret.name, secret.newest), "id": f"{url}/secrets/{secret.name}"}


def _deleted(url: str, secret: ModelSecret, *, item: bool = False) -> dict[str, Any]:
    deleted_at = _seconds(secret.deleted_at) or 0
    return {
        **(_item(url, secret) if item else _bundle(url, secret.name, secret.newest)),
        "recoveryId": f"{url}/deletedsecrets/{secret.name}",
        "deletedDate": deleted_at,
        "scheduledPurgeDate": deleted_at + RETENTION_S,
    }


def _bundle(url: str, name: str, version: ModelVersion) -> dict[str, Any]:
    of = version.attributes
    times = {
        "nbf": of.nbf,
        "exp": of.exp,
        "created": _seconds(version.created_at),
        "updated": _seconds(version.updated_at),
    }
    bundle = {
        "contentType": of.content_type,
        "id": f"{url}/secrets/{name}/{version.id}",
        "attributes": {
            "enabled": of.enabled,
            **{key: value for key, value in times.items() if value is not None},
            "recoveryLevel": of.vault.recovery_level or "Recoverable+Purgeable",
            "recoverableDays": RETENTION_DAYS if of.vault.recoverable_days is None else of.vault.recoverable_days,
        },
        "tags": dict(of.tags) if of.tags or of.empty_tags else None,
        "managed": of.vault.managed,
        "kid": of.vault.kid,
    }
    return {key: value for key, value in bundle.items() if value is not None}


def _attributes(body: Mapping[str, Any], old: Attributes) -> Attributes:
    given = body.get("attributes") or {}
    changed = replace(
        old,
        enabled=given.get("enabled", old.enabled),
        content_type=(body["contentType"] or None) if "contentType" in body else old.content_type,
        tags=dict(body["tags"]) if body.get("tags") is not None else old.tags,
        empty_tags=body["tags"] == {} if body.get("tags") is not None else old.empty_tags,
    )
    return dated(changed, nbf=given.get("nbf", old.nbf), exp=given.get("exp", old.exp))


def _page(url: str, path: str, query: Mapping[str, str], entries: Sequence[dict[str, Any]]) -> Outcome:
    """One page; the skip token is a position, which is enough while nobody writes in between."""
    size, start = int(query.get("maxresults", "25")), int(query.get("$skiptoken", "0"))
    more = start + size < len(entries)
    link = f"{url}/{path.strip('/')}?api-version=7.4&$skiptoken={start + size}&maxresults={size}"
    return 200, {"value": list(entries[start : start + size]), "nextLink": link if more else None}


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
