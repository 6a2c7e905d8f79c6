"""How clients ask, and what an answer tells them."""

import json
import time
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from tests.proof.history.events import Event, Op, Outcome, Surface
from tests.support.https import Response

_UNKNOWN: Final = frozenset({"outcome_unknown", "timed_out", "internal", "request_timeout"})
_NEVER_BEGUN: Final = frozenset({401, 403, 404, 409, 429})
"""Where a rotation that was asked for cannot go on by itself."""

_LONGEST_WHY: Final = 300
_KEY_VAULTS: Final = "?api-version=7.4"

_OWN: Final = {
    Op.GET: ("GET", "/v1/secrets/{}"),
    Op.SET: ("PUT", "/v1/secrets/{}"),
    Op.DELETE: ("DELETE", "/v1/secrets/{}"),
    Op.RECOVER: ("POST", "/v1/deleted-secrets/{}/recover"),
    Op.PURGE: ("DELETE", "/v1/deleted-secrets/{}"),
    Op.LIST: ("GET", "/v1/secrets?limit=1000"),
    Op.GRANT: ("PUT", "/v1/grants"),
    Op.REVOKE: ("DELETE", "/v1/grants?pattern=*&user_id=reader"),
    Op.PIN: ("GET", "/v1/secrets/{}/versions/{}"),
    Op.ROLLBACK: ("POST", "/v1/secrets/{}/rollback"),
    Op.ROTATE: ("POST", "/v1/secrets/{}/rotate"),
    Op.ASK: ("POST", "/v1/break-glass"),
    Op.APPROVE: ("POST", "/v1/break-glass/{1}/approve"),
    Op.WITHDRAW: ("POST", "/v1/break-glass/{1}/withdraw"),
    Op.ACTIVATE: ("POST", "/v1/keys:activate"),
    Op.REWRAP: ("POST", "/v1/keys:rewrap"),
    Op.RETIRE: ("POST", "/v1/keys:retire"),
}
_THEIRS: Final = {
    Op.GET: ("GET", "/secrets/{}"),
    Op.SET: ("PUT", "/secrets/{}"),
    Op.DELETE: ("DELETE", "/secrets/{}"),
    Op.RECOVER: ("POST", "/deletedsecrets/{}/recover"),
    Op.PURGE: ("DELETE", "/deletedsecrets/{}"),
}


def request_of(event: Event) -> tuple[str, str, Any]:
    """The method, target and body that ask for it."""
    if event.surface is Surface.KEY_VAULT:
        method, target = _THEIRS[event.op]
        return method, target.format(event.name) + _KEY_VAULTS, _body_of(event)
    method, target = _OWN[event.op]
    return method, target.format(event.name, event.of), _body_of(event)


def _body_of(event: Event) -> Any:
    match event.op:
        case Op.SET:
            return {"value": event.value}
        case Op.GRANT:
            return {"pattern": "*", "user_id": "reader", "permissions": ["get"]}
        case Op.ROLLBACK:
            return {"version": event.of}
        case Op.ASK:
            return {"name": event.name, "reason": "Payments fail, and the pool cannot log in"}
        case Op.ACTIVATE | Op.RETIRE:
            return {"key_id": event.value}
    return None


def heard(event: Event, answer: Response | None) -> Event:
    """The same operation, with what came back."""
    if answer is None:
        return event
    found = json.loads(answer.body) if answer.body else {}
    error = found.get("error")
    code = str(error.get("code", "")) if isinstance(error, dict) else str(found.get("code", ""))
    unknown = code in _UNKNOWN or (answer.status >= 500 and event.surface is Surface.KEY_VAULT)
    unknown |= event.op is Op.ROTATE and answer.status not in _NEVER_BEGUN
    refused = Outcome.UNKNOWN if unknown else Outcome.REFUSED
    why = str(found.get("detail", "") if error is None else error.get("message", ""))[:_LONGEST_WHY]
    told = replace(event, ended=time.monotonic(), status=answer.status, code=code, outcome=refused, why=why)
    if answer.status >= 300:
        return told
    if event.op is Op.ROTATE and not found.get("success"):
        return replace(told, outcome=Outcome.UNKNOWN)
    return replace(
        told,
        outcome=Outcome.OK,
        code="",
        why="",
        value=str(found.get("value", event.value)),
        version=int(found.get("version") or 0),
        of=int(found.get("id", 0)) if event.op is Op.ASK else event.of,
        stale=bool(found.get("stale", False)),
        source=str(found.get("source", "")),
        names=_names(event, found),
    )


def _names(event: Event, found: Any) -> tuple[str, ...]:
    if event.op is Op.REWRAP:
        return tuple(found.get("damaged", ()))
    return tuple(str(item["name"]) for item in found.get("items", ())) if event.op is Op.LIST else ()


def heard_each(asked: Sequence[Event], answer: Response | None) -> list[Event]:
    """The same reads, with what came back of each."""
    if answer is None or answer.status != 200:
        return [heard(event, answer) for event in asked]
    items = json.loads(answer.body)["items"]
    parts = [json.dumps(item.get("secret") or item.get("problem")).encode() for item in items]
    statuses = [item["status"] for item in items]
    return [
        heard(event, Response(status, answer.headers, part))
        for event, status, part in zip(asked, statuses, parts, strict=True)
    ]
