"""As whom a node goes to Microsoft Entra ID: one identity, said or seen from what is given, and never looked for."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from holdfast.config import parsing
from holdfast.config.environment import variable


class Identity(StrEnum):
    """The kinds of identity. ``DEVELOPER``: whom ``az login`` and its like have logged in, on a desk."""

    SECRET = "secret"  # noqa: S105 - a word
    CERTIFICATE = "certificate"
    FEDERATED = "federated"
    MANAGED = "managed"
    DEVELOPER = "developer"


CHOICE: Final = "HOLDFAST_AZURE_IDENTITY"

_MARKS: Final[Mapping[Identity, tuple[str, ...]]] = {
    Identity.SECRET: ("AZURE_CLIENT_SECRET", "HOLDFAST_AZURE_CLIENT_SECRET_FILE"),
    Identity.CERTIFICATE: ("AZURE_CLIENT_CERTIFICATE_PATH",),
    Identity.FEDERATED: ("AZURE_FEDERATED_TOKEN_FILE",),
}
"""What shows that an identity of a kind is given; the names are azure-identity's (its ``EnvironmentCredential`` and
``WorkloadIdentityCredential``), but for the file with a secret, which it has no name for."""

_REGISTERED: Final = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")


@dataclass(frozen=True, kw_only=True, repr=False)
class AzureSettings:
    """As whom a node goes to Microsoft Entra ID, and where that is.

    Tokens are asked for Key Vault, and for whatever else takes the node's own identity.
    """

    azure_identity: Identity | None = field(
        default=None,
        metadata=variable(
            CHOICE,
            "Which identity is used: secret, certificate, federated, managed, or developer (`az login`, on a desk).",
            lambda raw: Identity(parsing.choice(*Identity)(raw)),
            default="the one whose variables are set; without any, managed",
        ),
    )
    tenant_id: str | None = field(
        default=None, metadata=variable("AZURE_TENANT_ID", "The tenant of the client.", parsing.tenant)
    )
    client_id: str | None = field(
        default=None,
        metadata=variable("AZURE_CLIENT_ID", "The client, or a user-assigned managed identity.", parsing.text),
    )
    client_secret: str | None = field(
        default=None, metadata=variable("AZURE_CLIENT_SECRET", "The client's secret.", parsing.text, secret=True)
    )
    client_secret_file: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_AZURE_CLIENT_SECRET_FILE",
            "File with the client's secret, read again when it changes.",
            parsing.private_file,
        ),
    )
    client_certificate: Path | None = field(
        default=None,
        metadata=variable(
            "AZURE_CLIENT_CERTIFICATE_PATH",
            "PEM or PKCS #12 file with the client's certificate and its RSA key, read again when it changes.",
            parsing.private_file,
        ),
    )
    client_certificate_password: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_CLIENT_CERTIFICATE_PASSWORD", "The password of that file.", parsing.password, secret=True
        ),
    )
    send_certificate_chain: bool = field(
        default=False,
        metadata=variable(
            "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
            "Whether the chain is sent as well: for a client that is registered by subject name and issuer.",
            parsing.boolean,
            default="false",
        ),
    )
    federated_token_file: Path | None = field(
        default=None,
        metadata=variable(
            "AZURE_FEDERATED_TOKEN_FILE",
            "File with the token of another issuer that the client trusts, as AKS keeps one.",
            parsing.file,
        ),
    )
    authority_host: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_AUTHORITY_HOST",
            "Where tokens are issued.",
            parsing.authority,
            default="Azure's public cloud",
        ),
    )

    @property
    def identity(self) -> Identity:
        """The kind that is used: the chosen one, else the one that is given, else a managed identity."""
        if self.azure_identity is not None:
            return self.azure_identity
        if self.client_secret is not None or self.client_secret_file is not None:
            return Identity.SECRET
        if self.client_certificate is not None:
            return Identity.CERTIFICATE
        return Identity.MANAGED if self.federated_token_file is None else Identity.FEDERATED


def identity_faults(given: Set[str], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with this combination of variables. A choice leaves the others' unused, as on AKS.

    ``values``: of those that are well by themselves. A choice that is not leaves nothing to be said of the others.
    """
    chosen: Identity | None = values.get("azure_identity")
    if chosen is None and CHOICE in given:
        return
    seen = {kind: next(name for name in names if name in given) for kind, names in _MARKS.items() if given & {*names}}
    if chosen is None and len(seen) > 1:
        yield (
            f"{' and '.join(seen.values())} give several identities: unset all but one, or choose with {CHOICE} "
            f"({', '.join(seen)})."
        )
        return
    used = chosen or next(iter(seen), Identity.MANAGED)
    if used in _MARKS:
        yield from _of_kind(used, given)


def _of_kind(used: Identity, given: Set[str]) -> Iterator[str]:
    names = _MARKS[used]
    found = [name for name in names if name in given]
    if not found:
        yield f"{' or '.join(names)} is missing: {CHOICE}={used} needs it."
    if len(found) > 1:
        yield f"{' and '.join(found)} give it twice: unset one of them."
    whose = found[0] if found else f"{CHOICE}={used}"
    for needed in _REGISTERED:
        if needed not in given:
            yield f"{needed} is missing: {whose} is of no use without it."
