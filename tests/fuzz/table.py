"""All targets, and the modules that decode something and have none, with the reason."""

from typing import Final

from tests.fuzz import answers, borders, files, http, stored
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    each.name: each for each in (*borders.TARGETS, *http.TARGETS, *stored.TARGETS, *files.TARGETS, *answers.TARGETS)
}

DECODERS: Final = frozenset(
    {
        *("msgspec.json.Decoder", "msgspec.json.decode", "msgspec.msgpack.Decoder", "msgspec.convert"),
        *("json.loads", "tomllib.loads", "yaml.compose_all", "parse_stream", "jwt.decode", "jwt.decode_complete"),
        *("x509.load_pem_x509_certificate", "x509.load_pem_x509_certificates", "x509.load_der_x509_certificate"),
        *("load_pem_private_key", "pkcs12.load_key_and_certificates", "serialization.load_pem_private_key"),
        *("base64.b64decode", "base64.urlsafe_b64decode", "b64decode", "bytes.fromhex", "int.from_bytes"),
        *("parse_qsl", "parse_qs", "unquote_to_bytes", "email.utils.parsedate_to_datetime"),
    }
)
"""What makes something of bytes, or of text that others wrote. Whoever calls it is a parser."""

_ROWS: Final = "rows of ours; edited ones are tried in tests/service/test_tampering.py"

NOT_FROM_OUTSIDE: Final[dict[str, str]] = {
    "auth.fetching": "hands on what it reads to crypto.foreign_tokens, which has a target; all else is the network",
    "crypto.certificates": "reads certificates that it has made, from a folder that no one else may write",
    "rotators.postgresql": "takes a URL apart that rotators.urls has taken",
    "scanning.judging": "reads a file of the package",
    "v1_wire.secrets": "makes documents of secrets that were read; v1_wire.documents reads what clients send",
    "web.v1.schemas": "reads what it has written itself",
    **dict.fromkeys(
        (
            *(
                "stores.postgres.journal",
                "stores.postgres.nodes",
                "stores.postgres.notices",
                "stores.postgres.renewals",
            ),
            *("stores.postgres.rotation", "stores.postgres.transaction"),
        ),
        _ROWS,
    ),
}
"""Modules that call one of them, and have no target, with the reason."""
