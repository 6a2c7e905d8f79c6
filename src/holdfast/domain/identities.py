"""Who can prove an identity here, by what, and for how long: names and limits, checked once at the border."""

import enum
import ipaddress
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from holdfast.domain.policy import OPERATOR_PREFIX, canonical_identity
from holdfast.errors import InvalidInput

ADMIN_ID: Final = "admin"
"""The identity that the first start makes."""

MIN_TOKEN_LIFETIME: Final = timedelta(minutes=1)
MAX_TOKEN_LIFETIME: Final = timedelta(days=365)
"""From its making to the end of its last renewal: no token is for ever."""

DEFAULT_TOKEN_LIFETIME: Final = timedelta(days=30)
MAX_NETWORKS: Final = 20
MAX_GROUPS: Final = 100
MAX_TOKEN_DESCRIPTION: Final = 200

_GROUP: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class IdentityKind(enum.StrEnum):
    """Who stands behind an identity."""

    APPLICATION = "application"
    PERSON = "person"


def new_identity(raw: object) -> str:
    """Return the name of an identity to be made.

    Raises:
        InvalidInput: malformed, reserved, or an operator's.
    """
    name = canonical_identity(raw)
    if name.lower().startswith(OPERATOR_PREFIX):
        raise InvalidInput(
            f"Identities that begin with {OPERATOR_PREFIX} are reserved for the machine itself; choose another.",
            field="identity",
        )
    return name


def identity_kind(raw: object) -> IdentityKind:
    """Return a kind of identity by its name.

    Raises:
        InvalidInput: there is no such kind.
    """
    if isinstance(raw, str) and raw in set(IdentityKind):
        return IdentityKind(raw)
    raise InvalidInput(f"kind must be one of {', '.join(IdentityKind)}.", field="kind")


def local_groups(raw: Iterable[object]) -> frozenset[str]:
    """Return names of groups that are kept here. Groups that issuers vouch for have a colon, so the two never meet.

    Raises:
        InvalidInput: one is malformed, or there are more than 100.
    """
    names = [raw] if isinstance(raw, str) else list(raw)
    for name in names:
        if not isinstance(name, str) or not _GROUP.fullmatch(name):
            raise InvalidInput(
                "A group's name must be 1 to 63 characters out of a-z, 0-9, '.', '_' and '-', "
                "and begin with a letter or digit.",
                field="groups",
            )
    if len(names) > MAX_GROUPS:
        raise InvalidInput(f"groups has {len(names)} entries and the limit is {MAX_GROUPS}.", field="groups")
    return frozenset(map(str, names))


def valid_networks(raw: Iterable[object]) -> tuple[Network, ...]:
    """Return source networks in CIDR notation, such as 10.0.0.0/8; a bare address is that one address.

    Raises:
        InvalidInput: one is no network, has bits set behind its prefix, or there are more than 20.
    """
    texts = [raw] if isinstance(raw, str) else list(raw)
    if len(texts) > MAX_NETWORKS:
        raise InvalidInput(f"networks has {len(texts)} entries and the limit is {MAX_NETWORKS}.", field="networks")
    try:
        return tuple(ipaddress.ip_network(_text(text)) for text in texts)
    except ValueError:
        raise InvalidInput(
            "networks must be CIDR notation, such as 10.1.0.0/16 or 2001:db8::/32, without host bits.",
            field="networks",
        ) from None


def valid_lifetime(field: str, raw: object) -> timedelta:
    """Return how long a token is to live: a minute to 365 days, in whole seconds.

    Raises:
        InvalidInput: shorter, longer, or no duration.
    """
    if not isinstance(raw, timedelta) or not MIN_TOKEN_LIFETIME <= raw <= MAX_TOKEN_LIFETIME:
        raise InvalidInput(f"{field} must be a duration from a minute to {MAX_TOKEN_LIFETIME.days} days.", field=field)
    return timedelta(seconds=int(raw.total_seconds()))


def valid_token_description(raw: object) -> str | None:
    """Return what a token is for: up to 200 printable characters, or None.

    Raises:
        InvalidInput: it is not.
    """
    if raw is None:
        return None
    if not isinstance(raw, str) or not raw.isprintable() or len(raw) > MAX_TOKEN_DESCRIPTION:
        raise InvalidInput(
            f"description must be up to {MAX_TOKEN_DESCRIPTION} printable characters.", field="description"
        )
    return raw


def is_within(address: str | None, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks. An IPv4 address written as IPv6 is that IPv4 address."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(mapped in network for network in networks)


def _text(raw: object) -> str:
    if not isinstance(raw, str):  # a number would be taken for an address
        raise ValueError("not text")  # noqa: TRY004 - caught where it is called
    return raw
