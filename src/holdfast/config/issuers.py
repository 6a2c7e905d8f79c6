"""The file that names the token issuers to trust: TOML, read once at the start."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.config import parsing
from holdfast.config.access import HOLDFAST
from holdfast.config.azure_names import is_azures_url
from holdfast.errors import UNREADABLE, ConfigurationError

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""All of them asymmetric: with a shared secret, whoever verifies could sign (RFC 8725, 2.1)."""

MAX_LEEWAY: Final = timedelta(seconds=30)
RESERVED_NAMES: Final = frozenset({"group", "operator", "system", "anonymous", "admin"})

_KNOWN: Final = frozenset(
    {"name", "issuer", "audiences", "algorithms", "jwks_uri", "identity_claim", "groups_claim", "required_claims"}
    | {"authority", "leeway_s", "ca_file", "bearer_token_file"}
)

AZURES_OWN: Final = frozenset(
    {
        "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "00000003-0000-0000-c000-000000000000",
    }
)
"""The application ids of Key Vault, Resource Manager and Graph, which tokens of version 2 for them have as audience."""

_TENANT: Final = r"(?P<tenant>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ENTRA: Final = re.compile(
    rf"(?:(?P<authority>https://login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn))/{_TENANT}/v2\.0"
    rf"|https://sts\.windows\.net/{_TENANT.replace('tenant', 'first')}/)",
    re.ASCII,
)
_AUTHORITY: Final = re.compile(r"https://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9.-]+", re.ASCII)
"""What can stand in a header between quotes, with the tenant where SDKs look for it."""

ClaimPath = tuple[str, ...]
"""Where a claim stands: its name, or the names on the way to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One issuer whose tokens are taken.

    ``issuer`` and ``audiences`` are compared exactly. ``required_claims`` maps a claim to the values that will do.
    ``authority``: where clients are told to get its tokens, with the tenant, if there is such a place.
    ``jwks_uri``: where its keys are; None: its discovery document, on the issuer's own host, says so.
    ``bearer_token_file``: a token to fetch the keys with, read anew each time. ``ca_file``: further CAs to trust there.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256"})
    authority: str | None = None
    jwks_uri: str | None = None
    identity_claim: ClaimPath = ("sub",)
    groups_claim: ClaimPath | None = None
    required_claims: Mapping[str, tuple[str | bool | int, ...]]
    leeway: timedelta = MAX_LEEWAY
    ca_file: Path | None = None
    bearer_token_file: Path | None = None


def entra_authority(issuer: str) -> str | None:
    """Return where tokens of an issuer that is Entra ID are had; None for any other.

    Those of version 1 have an issuer that all of Microsoft's clouds but China's share: this is the public one's.
    """
    found = _ENTRA.fullmatch(issuer)
    if found is None:
        return None
    return f"{found['authority'] or 'https://login.microsoftonline.com'}/{found['tenant'] or found['first']}"


def authority_of(challenge: str, issuers: Iterable[IssuerSettings]) -> str | None:
    """Return the authority that the challenge names; None: this server is its own.

    Raises:
        ConfigurationError: no trusted issuer has that name, or it has no authority.
    """
    if challenge == HOLDFAST:
        return None
    found = next((each for each in issuers if each.name == challenge), None)
    if found is None:
        raise ConfigurationError(
            ["HOLDFAST_CHALLENGE must be holdfast, or the name of an issuer in HOLDFAST_OIDC_ISSUERS"]
        )
    if found.authority is None:
        raise ConfigurationError(
            [f"HOLDFAST_CHALLENGE: the issuer {challenge} is not Entra ID; give its authority in HOLDFAST_OIDC_ISSUERS"]
        )
    return found.authority


def load_issuers(path: Path) -> tuple[IssuerSettings, ...]:
    """Return the issuers that a file names.

    Raises:
        ConfigurationError: it is not such a file; every fault is named.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, *UNREADABLE) as error:
        raise ConfigurationError([f"HOLDFAST_OIDC_ISSUERS is not readable TOML ({type(error).__name__})"]) from None
    tables = document.get("issuer")
    if (
        set(document) != {"issuer"}
        or not isinstance(tables, list)
        or not all(isinstance(each, dict) for each in tables)
    ):
        raise ConfigurationError(["HOLDFAST_OIDC_ISSUERS must hold [[issuer]] tables and nothing else"])
    faults = [
        f"HOLDFAST_OIDC_ISSUERS, issuer {n}: {fault}" for n, each in enumerate(tables, 1) for fault in _faults(each)
    ]
    for key in ("name", "issuer"):
        values = [str(each.get(key)) for each in tables]
        if len(set(values)) < len(values):
            faults.append(f"HOLDFAST_OIDC_ISSUERS: two issuers have the same {key}")
    if faults:
        raise ConfigurationError(faults)
    return tuple(_issuer(each) for each in tables)


def _faults(table: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(set(table) - _KNOWN):
        yield f"{ascii(key)[:60]} is not a setting; choose from {', '.join(sorted(_KNOWN))}"
    for key, (check, rule) in _CHECKS.items():
        if (key in table or key in _REQUIRED) and not check(table.get(key)):
            yield f"{key} must be {rule}"


def _is_name(value: Any) -> bool:
    try:
        return isinstance(value, str) and parsing.issuer_name(value) not in RESERVED_NAMES
    except ValueError:
        return False


def _is_https(value: Any) -> bool:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        url = urlsplit(value)
        return url.scheme == "https" and bool(url.hostname) and "@" not in url.netloc and not url.fragment
    except ValueError:
        return False


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) and each for each in value)


def _is_authority(value: Any) -> bool:
    return _is_https(value) and bool(_AUTHORITY.fullmatch(value))


def _are_audiences(value: Any) -> bool:
    """Whether tokens with these audiences are for us, and not for a service of Azure's."""
    return _are_texts(value) and not any(each in AZURES_OWN or is_azures_url(each) for each in value)


def _is_path(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or _are_texts(value)


def _are_claims(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, str | bool | int) and each != "" for given in value.values() for each in _alternatives(given)
    )


def _is_file(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(parsing.file(value))
    except ValueError:
        return False


_REQUIRED: Final = ("name", "issuer", "audiences")
_CHECKS: Final = {
    "name": (_is_name, "1 to 31 of a-z, 0-9 and -, begin with a letter, and not be reserved"),
    "issuer": (_is_https, "an https:// address, exactly as tokens have it"),
    "audiences": (_are_audiences, "a list of audiences, exactly as tokens have them, and none of Azure's own services"),
    "authority": (_is_authority, "https://, a host and the tenant, such as https://login.microsoftonline.com/TENANT"),
    "algorithms": (
        lambda value: _are_texts(value) and set(value) <= set(ALGORITHMS),
        f"out of {', '.join(ALGORITHMS)}",
    ),
    "jwks_uri": (_is_https, "an https:// address"),
    "identity_claim": (_is_path, "the name of a claim, or the list of names on the way to it"),
    "groups_claim": (_is_path, "the name of a claim, or the list of names on the way to it"),
    "required_claims": (_are_claims, "a table of claims, each with a value or a list of values"),
    "leeway_s": (lambda value: type(value) is int and 0 <= value <= 30, "a whole number of seconds from 0 to 30"),
    "ca_file": (_is_file, "the absolute path of a readable file that nobody else may change"),
    "bearer_token_file": (_is_file, "the absolute path of a readable file that nobody else may change"),
}


def _issuer(table: Mapping[str, Any]) -> IssuerSettings:
    return IssuerSettings(
        name=table["name"],
        issuer=table["issuer"],
        audiences=frozenset(table["audiences"]),
        algorithms=frozenset(table.get("algorithms", ("RS256",))),
        authority=table.get("authority") or entra_authority(table["issuer"]),
        jwks_uri=table.get("jwks_uri"),
        identity_claim=_path(table.get("identity_claim", "sub")),
        groups_claim=_path(table["groups_claim"]) if "groups_claim" in table else None,
        required_claims={claim: _alternatives(value) for claim, value in table.get("required_claims", {}).items()},
        leeway=timedelta(seconds=table.get("leeway_s", MAX_LEEWAY.seconds)),
        ca_file=Path(table["ca_file"]) if "ca_file" in table else None,
        bearer_token_file=Path(table["bearer_token_file"]) if "bearer_token_file" in table else None,
    )


def _alternatives(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _path(value: str | list[str]) -> ClaimPath:
    return (value,) if isinstance(value, str) else tuple(value)
