"""What clients send: names, paths, queries, bodies, tokens, assertions and certificates."""

import base64
from datetime import UTC, datetime
from functools import cache
from typing import Final

from holdfast.auth.resource import Audience, canonical_host
from holdfast.crypto.api_tokens import hash_api_token, is_api_token
from holdfast.crypto.assertion_certificates import certificate_facts, read_certificate, stored_certificate
from holdfast.crypto.assertions import read_assertion
from holdfast.crypto.client_certificates import read_client_certificate
from holdfast.crypto.foreign_tokens import PublicKeys, peek
from holdfast.crypto.keyring import KeyRing, RingKey
from holdfast.crypto.recovery_codes import hash_recovery_code, matching_codes
from holdfast.crypto.tokens import TokenSigner
from holdfast.crypto.validity import validity_of_der, validity_of_pem
from holdfast.domain.claims import unproven_claims
from holdfast.domain.names import canonical_name, canonical_names, canonical_pattern, canonical_version_id, covers
from holdfast.errors import InvalidInput
from holdfast.identity_wire import parse_question
from holdfast.keyvault_wire import arm_routes
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.keyvault_wire.query import parse_query, query_fields
from holdfast.keyvault_wire.refusals import refusal_text
from holdfast.keyvault_wire.requests import parse_restore, parse_set, parse_update
from holdfast.keyvault_wire.responses import Vault, new_secret_bundle
from holdfast.keyvault_wire.routes import route
from holdfast.keyvault_wire.strict_json import parse_object
from holdfast.v1_wire.documents import read
from holdfast.web.v1 import lifecycle
from holdfast.web.v1.cursors import Cursors
from holdfast.web.v1.parameters import parameter, version_of
from holdfast.web.v1.table import OPERATIONS, Table
from tests.fuzz.target import Target, as_json, as_latin, as_text, one_of

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
RING: Final = KeyRing(RingKey(bytes(range(32))))
SIGNER: Final = TokenSigner(RING, lambda: NOW)
TABLE: Final = Table(OPERATIONS)
QUERIES: Final = sorted({each.query for each in OPERATIONS}, key=lambda kind: kind.__name__)
BODIES: Final = sorted({each.body for each in OPERATIONS if each.body}, key=lambda kind: kind.__name__)
METHODS: Final = ("GET", "PUT", "PATCH", "POST", "DELETE", "HEAD", "X")


def _name(raw: str) -> None:
    name = canonical_name(raw)
    assert canonical_name(name) == name == raw.lower()
    assert canonical_names([raw]) == [name]


def _pattern(raw: str) -> None:
    pattern = canonical_pattern(raw)
    assert canonical_pattern(pattern) == pattern
    assert covers(pattern, pattern)


def _version(raw: str) -> None:
    assert canonical_version_id(canonical_version_id(raw)) == raw.lower()


def _host(raw: str) -> None:
    host = canonical_host(raw)
    if host is not None:
        assert canonical_host(host) in {host, host.removesuffix(":443")}
        audience = Audience("https://kv.example", frozenset({"*.kv.example"}))
        audience.is_own(host)
        audience.asked_for(f"https://{host}", host)


def _path(data: bytes) -> None:
    method, path = METHODS[data[0] % len(METHODS)] if data else "GET", data[1:]
    try:
        route(method, path)
    except Exception as error:
        refusal_text(error, method, path)
        raise


def _v1_path(data: bytes) -> None:
    TABLE.find(data)


def _parameter(data: bytes) -> None:
    version_of(parameter("version", data))


def _set(data: bytes) -> None:
    request = parse_set(data)
    told = parse_object(new_secret_bundle(Vault("https://v.example"), "a", "0" * 32, NOW, request))
    assert told["value"] == request.value
    assert told.get("tags", {}) == (request.tags or {})


def _v1_query(data: bytes) -> None:
    if data:
        fields = dict(pair.split("=", 1) for pair in data[1:].decode("utf-8", "replace").split("&") if "=" in pair)
        read(QUERIES[data[0] % len(QUERIES)], fields, text=True)


def _v1_body(data: bytes) -> None:
    if not data:
        return
    kind = BODIES[data[0] % len(BODIES)]
    as_json(lambda raw: read(kind, parse_object(raw)), *MEMBERS)(data[1:])


def _cursor(text: str) -> None:
    for made in (Cursors(lambda: [bytes(32)]), SkipTokens(lambda: [bytes(32)])):
        assert made.decode("s", made.encode("s", "p")) == "p"
        try:
            found = made.decode("s", text)
        except InvalidInput:
            continue
        assert made.encode("s", found) == text


def _blob(text: str) -> None:
    assert lifecycle._blob(base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()) == text.encode()
    lifecycle._blob(text)


def _token(text: str) -> None:
    unproven_claims(text)
    hash_api_token(text) if is_api_token(text) else None
    peek(text)
    SIGNER.verify(text)


def _signed(data: bytes) -> None:
    claims = parse_object(data)
    try:
        token = SIGNER.sign(claims)
    except ValueError:
        return
    SIGNER.verify(token)


def _key_set(data: bytes) -> None:
    try:
        PublicKeys.parse(parse_object(data))
    except ValueError:
        return


def _recovery(text: str) -> None:
    hashed = hash_recovery_code(text)
    assert (matching_codes([text], [hashed or bytes(32)]) == {1}) is (hashed is not None)


def _certificate(text: str) -> None:
    stored_certificate(text)
    certificate_facts(text)
    read_certificate(text)


@cache
def _members() -> tuple[str, ...]:
    kinds = [*QUERIES, *BODIES]
    return tuple(sorted({name for kind in kinds for name in kind.__struct_encode_fields__}))


MEMBERS: Final = (*_members(), "rotation_policy", "rotate_every_days", "tags", "handler", "options", "name", "type")
_OF_KEY_VAULT: Final = ("value", "contentType", "attributes", "enabled", "nbf", "exp", "tags", "a", "holdfast")
_CLAIMS: Final = ("iss", "sub", "aud", "jti", "iat", "nbf", "exp", "tid", "alg", "typ", "kid", "crit", "x5t")
_JWK: Final = ("keys", "kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y", "k", "d", "x5c")

TARGETS: Final = (
    Target(
        "names",
        one_of(as_text(_name), as_text(_pattern), as_text(_version)),
        ("domain.names",),
    ),
    Target("hosts", as_latin(_host), ("auth.resource",)),
    Target(
        "paths",
        one_of(_path, _v1_path, _parameter, lambda data: arm_routes.asked("GET", *_halves(data))),
        (
            "keyvault_wire.routes",
            "keyvault_wire.refusals",
            "keyvault_wire.arm_routes",
            "web.v1.table",
            "web.v1.parameters",
        ),
    ),
    Target(
        "queries",
        one_of(lambda data: (parse_query(data), query_fields(data)), parse_question, _v1_query),
        ("keyvault_wire.query", "identity_wire", "v1_wire.documents"),
    ),
    Target(
        "bodies of Key Vault's API",
        one_of(as_json(_set, *_OF_KEY_VAULT), as_json(parse_update, *_OF_KEY_VAULT), as_json(parse_restore, "value")),
        ("keyvault_wire.requests", "keyvault_wire.strict_json"),
    ),
    Target("bodies of v1", _v1_body, ("v1_wire.documents",)),
    Target(
        "cursors and blobs",
        one_of(as_latin(_cursor), as_latin(_blob)),
        ("web.v1.cursors", "keyvault_wire.paging", "web.v1.lifecycle"),
    ),
    Target(
        "tokens",
        one_of(as_latin(_token), as_json(_signed, *_CLAIMS), as_json(_key_set, *_JWK), as_latin(read_assertion)),
        ("crypto.tokens", "crypto.foreign_tokens", "crypto.api_tokens", "crypto.assertions", "domain.claims"),
    ),
    Target("recovery codes", as_text(_recovery), ("crypto.recovery_codes",)),
    Target(
        "certificates",
        one_of(
            as_text(_certificate),
            read_client_certificate,
            lambda data: read_client_certificate(data, "a"),
            validity_of_der,
            validity_of_pem,
        ),
        ("crypto.assertion_certificates", "crypto.client_certificates", "crypto.validity"),
    ),
)


def _halves(data: bytes) -> tuple[bytes, bytes]:
    path, _, query = data.partition(b"?")
    return path, query
