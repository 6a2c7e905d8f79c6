"""What a vault may hold or answer under one name, besides a secret; each kind is drawn afresh."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

Draw = Callable[[Random], "Oddity"]


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """Either a ``fault`` (arguments of ``Fault``), which each request about the name meets; or a ``change`` that is
    made to whatever shows the secret: answers about it, and its entry in lists."""

    fault: Mapping[str, Any] | None = None
    change: Callable[[dict[str, Any]], Any] | None = None

    def shown(self, body: Any) -> Any:
        """A secret, or a page of its versions, as this vault shows it."""
        if self.change is None or not isinstance(body, dict):
            return body
        if isinstance(body.get("value"), list):
            return {**body, "value": [self.change(dict(entry)) for entry in body["value"]]}
        return self.change(dict(body)) if "id" in body else body


def forbidden(random: Random) -> Oddity:
    """Our identity may list the name, and do nothing with it."""
    inner = random.choice(["ForbiddenByRbac", "AccessDenied", "ForbiddenByPolicy", None])
    return Oddity(fault={"status": 403, "code": "Forbidden", "inner": inner})


def _fault(**choices: list[Any]) -> Draw:
    return lambda random: Oddity(fault={key: random.choice(values) for key, values in choices.items()})


def _member(path: str, values: list[Any]) -> Draw:
    """A member of another shape; ``...`` as a value leaves it out."""

    def draw(random: Random) -> Oddity:
        value = random.choice(values)

        def change(shown: dict[str, Any]) -> Any:
            *above, last = path.split(".")
            holder = shown
            for key in above:
                holder[key] = dict(holder.get(key) or {})
                holder = holder[key]
            holder.pop(last, None)
            return shown if value is ... else (holder.update({last: value}) or shown)

        return Oddity(change=change)

    return draw


def _ten_megabytes(random: Random) -> Oddity:
    return Oddity(fault={"body": json.dumps({"value": "x" * random.randrange(10_000_000, 11_000_000)}).encode()})


def _not_json(random: Random) -> Oddity:
    return Oddity(fault={"body": random.choice([b"{", b"\xff\xfe", b"<html>proxy</html>", b"", b"[" * 100_000])})


def _no_object(random: Random) -> Oddity:
    return Oddity(fault={"body": json.dumps(random.choice([[], 1, "secret", None, True, 1.5])).encode()})


def _settling(random: Random) -> Oddity:
    inner = random.choice(
        ["ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsBeingPurged", "ObjectIsBeingMoved"]
    )
    return Oddity(fault={"status": 409, "code": "Conflict", "inner": inner})


KINDS: Final[Mapping[str, Draw]] = {
    "fails": _fault(status=[500, 501, 502, 503, 504, 599]),
    "fails with a page": _fault(status=[500, 502, 503], body=[b"<html>Bad gateway</html>"], content_type=["text/html"]),
    "hangs": _fault(hang=[True]),
    "10 MB": _ten_megabytes,
    "forbidden": forbidden,
    "no JSON": _not_json,
    "no object": _no_object,
    "cut off": _fault(cut_after=list(range(40))),
    "dropped": _fault(drop=[True]),
    "redirected": _fault(status=[301, 302, 307], headers=[{"Location": "https://elsewhere.example/secrets/x"}]),
    "a 404 of somebody else": _fault(status=[404], body=[b"<html>Not found</html>", b"{}", b""]),
    "a 4xx of nobody": _fault(status=[418, 422, 451]),
    "settling for ever": _settling,
    "nobody is known": _fault(status=[401], code=["Unauthorized"]),
    "throttled for ever": _fault(status=[429], code=["Throttled", None], headers=[{"Retry-After": "30"}]),
    "a code of the whole vault": _fault(
        status=[403, 404], code=["Forbidden"], inner=["ForbiddenByFirewall", "ForbiddenByConnection", "VaultNotFound"]
    ),
    "no attributes": _member("attributes", [..., None, [], "none", 7]),
    "no time of creation": _member("attributes.created", [..., None, "yesterday", [], {}, True]),
    "no time of update": _member("attributes.updated", [..., None, "yesterday", [], {}, True]),
    "an expiry that is no number": _member("attributes.exp", ["tomorrow", [], {}, True]),
    "a start that is no number": _member("attributes.nbf", ["tomorrow", [], {}, False]),
    "enabled, or not": _member("attributes.enabled", ["yes", 1, [], {}]),
    "tags that are none": _member("tags", ["a=b", ["a"], {"a": 1}, {"a": {"b": "c"}}, 7]),
    "a content type that is no text": _member("contentType", [7, [], {}, True]),
    "no id": _member("id", [..., None, 7, "nonsense", [], {}]),
    "half a character": _member("contentType", ["\ud800", "text\udfff"]),
    "characters that no database keeps": _member("contentType", ["a\u0000b", "\u0000"]),
}
"""By a name for people."""
