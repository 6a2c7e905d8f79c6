"""Bytes to begin with: what our own writers make, and what parsers of such things have tripped over before."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from holdfast.crypto.api_tokens import new_api_token
from holdfast.crypto.recovery_codes import new_recovery_code
from holdfast.crypto.signing import Signer, key_line
from holdfast.crypto.wrapped import WrappedKey, wrap_locally
from holdfast.domain.attributes import VaultFacts, carried
from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Chain, ChainId
from holdfast.domain.checkpoint import Checkpoint, Gap, Head, line_of
from holdfast.domain.secret import Attributes
from holdfast.stores.backupfile import MAGIC
from holdfast.stores.spool.files import framed
from tests.fuzz import http
from tests.fuzz.answers import ID
from tests.fuzz.borders import BODIES, NOW, QUERIES, RING, SIGNER
from tests.fuzz.stored import ENVELOPE, WRITER

CORPUS: Final = Path(__file__).with_name("corpus")
DEEP: Final = b"[" * 1100
"""Deeper than what reads JSON, TOML or YAML by recursion can follow."""

_CLAIMS: Final = {
    "iss": "https://v/t/v2.0",
    "sub": "a",
    "aud": "https://v",
    "jti": "1",
    "iat": int(NOW.timestamp()),
    "nbf": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
}
_SECRET: Final = {
    "id": ID,
    "value": "v",
    "contentType": "text/plain",
    "tags": {"a": "b"},
    "managed": True,
    "kid": "k",
    "attributes": {"enabled": True, "created": 1, "updated": 2, "nbf": 1, "exp": 2**40, "recoveryLevel": "Purgeable"},
    "deletedDate": 3,
    "scheduledPurgeDate": 4,
}


def seeds(name: str) -> Iterator[bytes]:
    """What a target is tried with first; findings of earlier runs are among it."""
    yield from SEEDS[name]
    yield from (path.read_bytes() for path in sorted(folder_of(name).glob("*")))


def folder_of(name: str) -> Path:
    """Where findings of a target are kept."""
    return CORPUS / name.replace(" ", "-").replace("'", "")


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _each(count: int, *documents: bytes) -> list[bytes]:
    return [bytes([number]) + document for number in range(count) for document in documents]


def _nested(**members: object) -> bytes:
    """An object with a member that no one asks for, which never ends."""
    return _json({**members, "z": 0})[:-2] + DEEP


def _records() -> list[AuditRecord]:
    common = {"user_id": "a", "name": "s", "timestamp": NOW, "success": True}
    details = {
        "get": None,
        "revoke": "read to app-1 until 2026-03-01T12:00:00+00:00",
        "identity.remove": "identity=app-1",
        "token.revoke": f"token={WRITER} identity=app-1",
        "identity.groups": "groups=a,b identity=app-1",
        "client.withdraw": f"credential={WRITER} identity=app-1",
    }
    return [AuditRecord(operation=operation, detail=detail, **common) for operation, detail in details.items()]  # type: ignore[arg-type]


def _lines() -> list[bytes]:
    return [entry.line() for entry in Chain(ChainId(WRITER, 1)).extend(_records())]


def _checkpoint() -> bytes:
    last = Chain(ChainId(WRITER, 1)).extend(_records())[-1]
    head = Head(writer=WRITER, boot=1, seq=last.seq, hash=last.hash.hex())
    made = Checkpoint(checkpoint=1, time=NOW, key="0" * 16, previous="0" * 64, records=last.seq, heads=(head,))
    return line_of(made.body(), b"\1" * 64)


def _sealed() -> list[bytes]:
    wrapped = WrappedKey(key_id="0" * 16, by_local=wrap_locally(bytes(32), bytes(32)))
    stream = (3).to_bytes(4, "big") + bytes(12 + 3 + 16)
    return [
        b"\0" + RING.primary.id.encode() + bytes(40 + 12 + 5 + 16),
        b"\1" + ENVELOPE.attest(b"other facts").encode(),
        b"\2" + ENVELOPE.seal_bytes("other", b"", b"content"),
        b"\3" + stream + bytes(4),
        b"\4" + wrapped.line.encode(),
        b"\4" + b"wrapped " + b"0" * 16 + b" vault https://v.vault.azure.net/keys/k/" + b"0" * 32 + b" AAAA",
        b"\5" + base64.b64encode(bytes(range(32))),
        b"\6" + b"v2.0123456789abcdef.AAAA",
    ]


def _backups() -> list[bytes]:
    version = {
        "version": 1,
        "version_id": "0" * 32,
        "value": "v",
        "enabled": True,
        "created_at": NOW,
        "updated_at": NOW,
        "tags": {"a": "b"},
    }
    packed = msgspec.msgpack.encode({"display_name": "Name", "versions": [version]})
    header = _json(
        {
            "backup": str(WRITER),
            "installation": str(WRITER),
            "made_at": NOW.isoformat(),
            "schema": 1,
            "release": "1",
            "keys": [RING.primary.id],
        }
    )
    shape = _json({"type": "Shape", "steps": [], "tables": [{"name": "t", "columns": ["a"]}], "partitions": []})
    end, counters = _json({"type": "TableEnd", "table": "t", "rows": 1}), _json({"type": "Counters", "counters": []})
    frames = b"".join(
        kind + len(part).to_bytes(4, "big") + part
        for kind, part in ((b"P", shape), (b"R", b"row"), (b"P", end), (b"P", counters))
    )
    return [
        b"\0" + packed,
        b"\1" + MAGIC + len(header).to_bytes(4, "big") + header + bytes(200),
        b"\1" + MAGIC + (2000).to_bytes(4, "big") + _nested(),
        b"\2" + frames,
        b"\2P" + (2000).to_bytes(4, "big") + _nested(type="Shape"),
    ]


def _http() -> list[bytes]:
    form = b"content-type: application/x-www-form-urlencoded\n\n"
    json_type = b"content-type: application/json\n\n"
    token = (
        b"grant_type=client_credentials&client_id=app&client_secret=the-right-secret&scope=https://kv.example/.default"
    )
    asserted = b"grant_type=client_credentials&client_id=app&scope=https://kv.example/.default&client_assertion_type="
    asserted += b"urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=" + _assertion()
    return [
        b"GET /secrets/x?api-version=7.4\n\n",
        b"PUT /secrets/x?api-version=7.4\n" + json_type + b'{"value":"v","attributes":{"exp":1}}',
        b"PATCH /secrets/x/?api-version=7.4\n" + json_type + b'{"tags":{}}',
        b"GET /secrets?api-version=7.4&maxresults=5&$skiptoken=AAAA\n\n",
        b"POST /secrets/restore?api-version=7.4\n" + json_type + b'{"value":"AAAA"}',
        b'PUT /v1/secrets/x\nif-match: "3"\nidempotency-key: k\nx-request-id: 1\n' + json_type + b'{"value":"v"}',
        b"POST /v1/secrets:restore\n" + json_type + b'{"backup":"AAAA"}',
        b"POST /v1/secrets:batchGet\n" + json_type + b'{"items":[{"name":"x"}]}',
        b"GET /v1/audit/records?limit=5&since=2026-01-01T00:00:00Z&cursor=AAAA\naccept: application/octet-stream\n\n",
        _V2 + form + token,
        _V1 + form + token.replace(b"scope", b"resource").replace(b"/.default", b""),
        _V2 + b"authorization: Basic YXBwOmI=\n" + form + b"grant_type=client_credentials",
        _V2 + form + asserted,
        b"GET /t/v2.0/.well-known/openid-configuration\nhost: [::1]:8443\n\n",
        b"GET /subscriptions?api-version=2022-12-01&$filter=name eq 'a'\n\n",
        b"GET /metadata/identity/oauth2/token?api-version=2019-08-01&resource=https://kv.example\nsecret: app:s\n\n",
        b"OPTIONS *\n\n",
        b"GET /healthz\n\n",
    ]


def _assertion() -> bytes:
    header, claims = _json({"alg": "PS256", "typ": "JWT", "x5t": "AAAA"}), _json(_CLAIMS)
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims, b"signature"))


def _odd_tokens() -> list[bytes]:
    odd = base64.urlsafe_b64encode(b'{"a":' + DEEP).rstrip(b"=")
    signed = SIGNER.sign(_CLAIMS).encode()
    return [signed, b".".join((odd, odd, b"")), b"\xe9.\xe9.\xe9", new_api_token().encode()]


_JWK: Final = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "x": "A" * 43}
_TOML: Final = (
    b'[a]\nb = ["c"]\n[[policy]]\nnames = "a-*"\napprovers = 1\n[[issuer]]\nname = "x"\nissuer = "https://x"\n'
)
_YAML: Final = b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {b: dmFsdWU=}\n"
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
_REAL: Final = next(folder_of("certificates").glob("*.pem")).read_bytes()
_V1: Final = b"POST /" + http.TENANT.encode() + b"/oauth2/token\n"
_V2: Final = b"POST /" + http.TENANT.encode() + b"/oauth2/v2.0/token\n"

SEEDS: Final[dict[str, list[bytes]]] = {
    "names": _each(3, b"Stripe-API-key", b"*", b"a-*", b"0" * 32, b"a" * 128, b"\xff", "K\u212a".encode()),
    "hosts": [b"v.kv.example:443", b"[::1]:8443", b"[::ffff:1.2.3.4]", b"a" * 300, b"[1]", b"a:99999"],
    "paths": [
        *(bytes([0, method]) + b"/secrets/a/" + b"0" * 32 for method in range(7)),
        b"\0\0/deletedsecrets/a/recover",
        b"\0\0/secrets/%e9%ff",
        b"\1/v1/secrets/a/versions/3",
        b"\1/v1/secrets/%00",
        b"\2current",
        b"\3/subscriptions/a/resourceGroups/b/providers/Microsoft.KeyVault/vaults/c?api-version=2023-07-01",
        b"\3/subscriptions?api-version=2022-12-01&$filter=resourceType eq 'a' and name eq 'b'",
    ],
    "queries": [
        b"\0api-version=7.4&maxresults=25&$skiptoken=a",
        b"\0api%2Dversion=2025-07-01",
        b"\1api-version=2019-08-01&resource=https%3A%2F%2Fv&client_id=a",
        *(bytes([2, number]) + b"limit=5&after=a&since=2026-01-01T00:00:00Z" for number in range(len(QUERIES))),
    ],
    "bodies of Key Vault's API": _each(
        3,
        b'{"value":"v","contentType":"t","attributes":{"enabled":true,"nbf":1,"exp":2},"tags":{"a":"b"}}',
        b'{"value":"AAAA"}',
        b'{"value":' + DEEP,
        b'{"value":"\\ud800"}',
        b'{"attributes":{"exp":1e400}}',
    ),
    "bodies of v1": [
        bytes([number]) + body
        for number in range(len(BODIES))
        for body in (b'{"name":"a","value":"v","items":[]}', b"\xff\x85\0\1\2\3\4\5\6\7\x08\x09", b"{}")
    ],
    "cursors and blobs": _each(2, b"AAAA", b"A" * 30, b"A" * 2000, b"\xe9", b"====", b"A-_B" * 6),
    "tokens": [
        *(b"\0" + each for each in _odd_tokens()),
        b"\1" + _json(_CLAIMS),
        b"\2" + _json({"keys": [_JWK, {"kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB"}]}),
        b"\2" + _json({"keys": [{**_JWK, "x": 1}, {"kty": "EC", "kid": "c", "crv": "P-256", "x": "AA", "y": "AA"}]}),
        b"\3" + _assertion(),
    ],
    "recovery codes": [new_recovery_code().encode(), b"0", b"\xff" * 20],
    "certificates": _each(5, _REAL, _CERTIFICATE, _CERTIFICATE * 2, b"0\x82\x01\0", b"-----BEGIN PRIVATE KEY-----\n"),
    "requests": _http(),
    "sealed values": _sealed(),
    "backups": _backups(),
    "cached and proposed": [
        b"\0" + b"E" * 40,
        b"\0" + b"00000000000000000001E" + bytes(60),
        b"\0\xff\x8b\0\1\2\3\4\5\6\7\x08\x09",
        b"\1" + _nested(),
        b"\1{}",
    ],
    "audit files": [
        *(b"\2" + line for line in _lines()),
        *(b"\3" + line for line in _lines()),
        b"\0" + b"".join(map(framed, _lines())),
        b"\1" + b"\n".join(_lines()),
        b"\3" + _nested(writer=str(WRITER), boot=1, seq=1),
        b"\4" + _checkpoint(),
        b"\4" + _nested(checkpoint=1),
    ],
    "audit exports": [
        b"\0" + _checkpoint() + b"\n\n\n" + b"\n".join(_lines()) + b"\n",
        b"\0" + _nested(checkpoint=1) + b"\n\n\n" + _nested(writer=str(WRITER), boot=1, seq=1),
        *(b"\1" + f"{each.operation} {each.detail}".encode() for each in _records()),
        b"\2" + Gap(writer=WRITER, boot=1, first=1, last=2).name.encode(),
        b"\3" + key_line(Signer(bytes(32)).public_key).encode(),
    ],
    "carried attributes": [
        b"{}",
        carried(Attributes(vault=VaultFacts(managed=True, kid="k", recoverable_days=7))).encode(),
        _nested(),
        b"\xff\x84\0\1\2\3",
    ],
    "edited rows": [
        b'\0{"description":"d","rotation_policy":{"rotate_every_days":3}}\n{"a":"b"}\n{}',
        b'\0{"notify_on_expiry":5}\n{}\n{}',
        b"\0" + _nested(a=1) + b"\n{}\n{}",
        b"\0{}\n" + _nested(a=1) + b"\n{}",
        b"\0{}\n{}\n" + _nested(a=1),
        b"\0" + b'{"a":' + b"9" * 5000 + b"}\n{}\n{}",
        b"\1" + msgspec.json.encode(_records()[0]),
    ],
    "notifications": [b"secret:a:3\nrules:9:app", b"secret:" + b"a" * 200, b"clock:\nkeys:", b"secret:\xff:1"],
    "dotenv files": _each(
        2, b"A=b\nexport C='d'\nE=\"f\\ng\"\n# h\n", b"A=${B}\n", b"A", b"\xff=\0", b"A='" + b"\n" * 9
    ),
    "documents to import": _each(
        3,
        b'{"a":{"b":["c",1.0,true,null]},"d":"e"}',
        b'{"apiVersion":"v1","kind":"List","items":[{"kind":"Secret","metadata":{"name":"a"},"data":{"b":"AA=="}}]}',
        b'{"a":' + DEEP,
        b'{"a":1,"a":2}',
    ),
    "YAML to import": _each(
        3, _YAML, b"a: &x [1, *x]\n", b"a: !!python/object:x {}\n", b"a: " + DEEP, b"? [a]\n: b\n", b"<<: {a: b}\n"
    ),
    "sealed files": [
        b"A=b\n",
        b"$ANSIBLE_VAULT;1.1;AES256\n00",
        b"sops:\n  mac: ENC[AES256_GCM,data:A]\n",
        b"age-encryption.org/v1",
    ],
    "settings": [bytes([number]) + text for number in range(0, 250, 5) for text in (b"1", b"https://a:b@c/d?e=f")],
    "URLs and keys": [
        b"rediss://u:p@h:6380/1?ssl_cert_reqs=none",
        b"whsec_" + base64.b64encode(bytes(32)),
        b"mysql://u:p@h:3306/d?ssl_ca=/x",
        b"amqps://u:p@[::1]:5671/v?a=b",
        b"postgresql://u:p@h1:1,h2:2/d?sslmode=verify-full&target_session_attrs=primary&connect_timeout=5",
        b"postgres:///d?host=/tmp&service=x",
        b"postgresql://[::1]:5432/%ff",
        b"postgresql://h:99999/d",
        b"postgresql://[h",
    ],
    "files of settings": [*_each(5, _TOML, b"a = " + DEEP, b"\xff"), *_each(9, b"{}", DEEP, b'{"contexts":[]}')],
    "answers of Key Vault": [
        b"\0" + _json(_SECRET),
        b"\0" + _nested(id=ID),
        b"\1" + _json({"value": [{**_SECRET, "id": ID[:-33]}, {"id": 1}], "nextLink": "/secrets?$skiptoken=a"}),
        *_each(4, b"Sun, 06 Nov 1994 08:49:37 GMT", b"5", b"Sun, 06 Nov 0000 99:99:99 -9999"),
    ],
    "answers of token endpoints": [
        b"\0" + _json({"error": "invalid_client", "error_codes": [7000215], "error_description": "AADSTS7000215: a"}),
        *(bytes([1, status]) + _json({"access_token": "a", "expires_on": "5", "expires_in": 5}) for status in range(5)),
        *(bytes([1, status]) + _nested(error="a") for status in range(5)),
        b"\2" + _json({"access_token": "a"}),
        b"\3" + SIGNER.sign(_CLAIMS).encode(),
    ],
    "answers of issuers": _each(
        3,
        _json({"access_token": "a.b.c", "error": "slow_down"}),
        _json(
            {
                "issuer": "https://a",
                "token_endpoint": "https://a/t",
                "device_authorization_endpoint": "https://a/d",
                "device_code": "d",
                "user_code": "u",
                "verification_uri": "https://a/v",
                "expires_in": 9e99,
            }
        ),
        _nested(access_token="a"),
    ),
    "answers of a Holdfast": [
        *(bytes([0, status, kind]) + b"{}" for status in range(3) for kind in range(0, 60, 7)),
        *(b"\1" + _json({"items": [f"a {text}"], "backup": text}) for text in ("00", "no hex", "\xe9")),
        *(
            bytes([0, 1, 0]) + _json({"code": code, "detail": "d", "status": 400, "title": "t"})
            for code in (
                "conflict",
                "vault_refusal",
                "backend_refused",
                "throttled",
                "outcome_unknown",
                "invalid_input",
            )
        ),
        *(bytes([0, status, 3]) + _nested(code="a") for status in range(3)),
    ],
    "answers of a KV engine": [
        *_each(
            2, b"\0" + _json({"data": {"data": {"a": "b", "c": {"d": 1}}, "metadata": {"custom_metadata": {"t": "u"}}}})
        ),
        b"\1" + _json({"data": {"keys": ["a", "b/"]}}),
        b"\1" + _nested(data={}),
    ],
    "answers of a broker": [
        b"\0" + _json({"name": "a", "password_hash": "AAAA", "hashing_algorithm": "rabbit_password_hashing_sha256"}),
        b"\0" + _nested(name="a"),
        b"\0" + _json({"password_hash": "AAAA", "hashing_algorithm": ["a"]}),
        b"\0" + '{"password_hash":"\u00e9","hashing_algorithm":"a"}'.encode(),
        b"\1amqps://u:p@h:5671/v?a=b",
    ],
    "lines for syslog": _lines(),
}
