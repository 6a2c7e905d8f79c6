"""Tokens of trusted issuers: which of them hold, and whom they prove.

A verified token is remembered by its SHA-256 until it expires, and no longer than the key that signed it is known.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.auth.jwks import Fetch, KeySource
from holdfast.auth.keptkeys import KeptKeys
from holdfast.config.issuers import ClaimPath, IssuerSettings
from holdfast.crypto.foreign_tokens import PublicKey, Unverified, not_signed, peek
from holdfast.domain.policy import canonical_group, canonical_identity
from holdfast.errors import InvalidInput, Unauthenticated
from holdfast.ports import Clock

MAX_TOKEN_LENGTH: Final = 16_384
"""Characters. Entra ID's tokens with 200 groups have some 10,000."""

MAX_REMEMBERED: Final = 10_000
MAX_GROUPS: Final = 256


@dataclass(frozen=True, slots=True)
class Vouched:
    """An identity, and the groups that its issuer says it is in: each name begins with the issuer's."""

    identity: str
    groups: frozenset[str]
    key_id: str
    key: PublicKey
    expires_at: int


class Issuer:
    """One trusted issuer."""

    def __init__(
        self, settings: IssuerSettings, clock: Clock, fetch: Fetch | None = None, kept: KeptKeys | None = None
    ) -> None:
        self.settings, self._clock = settings, clock
        self.source = KeySource(settings, clock, fetch, kept)
        self._remembered: OrderedDict[bytes, Vouched] = OrderedDict()

    async def vouch(self, token: str, unverified: Unverified) -> Vouched:
        """Return whom a token proves.

        Raises:
            Unauthenticated: nobody.
            BackendUnavailable: the issuer's keys are not to be had.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._remembered.get(digest)
        if known is not None and self._holds(known):
            return known
        key, claims = await self._signed(token, unverified)
        vouched = self._checked(claims, unverified.key_id, key)
        self._remembered[digest] = vouched
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return vouched

    async def claims(self, token: str, unverified: Unverified) -> Mapping[str, Any]:
        """Return the claims of a token that this issuer signed and that is valid now, for whatever audience.

        Raises:
            Unauthenticated: it is none of those, or lacks what is required of tokens of this issuer.
            BackendUnavailable: the issuer's keys are not to be had.
        """
        _, claims = await self._signed(token, unverified)
        self._check_required(claims)
        self._expiry(claims)
        return claims

    async def _signed(self, token: str, unverified: Unverified) -> tuple[PublicKey, Mapping[str, Any]]:
        if unverified.algorithm not in self.settings.algorithms:
            raise not_signed()
        keys = await self.source.keys(unverified.key_id)
        return keys.verified(token, unverified, self.settings.algorithms)

    def _holds(self, known: Vouched) -> bool:
        """Whether a remembered token still holds. An issuer may put another key in the place of one, under its id."""
        return known.key in self.source.named(known.key_id) and self._clock.now().timestamp() < known.expires_at

    def _checked(self, claims: Mapping[str, Any], key_id: str, key: PublicKey) -> Vouched:
        if not _audiences(claims) & self.settings.audiences:
            raise Unauthenticated("The access token is for another audience.")
        self._check_required(claims)
        return Vouched(self.identity_of(claims), self._groups(claims), key_id, key, self._expiry(claims))

    def _check_required(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != self.settings.issuer:
            raise Unauthenticated("The access token is for another audience.")
        for claim, wanted in self.settings.required_claims.items():
            given = claims.get(claim)
            # `type is`: True would equal 1.
            if not any(type(given) is type(each) and given == each for each in wanted):
                raise Unauthenticated(f"The access token does not have the {claim} that is required here.")

    def _expiry(self, claims: Mapping[str, Any]) -> int:
        leeway_s, now_s = self.settings.leeway.total_seconds(), self._clock.now().timestamp()
        expires_at: Any = claims.get("exp")
        starts = [claims[claim] for claim in ("nbf", "iat") if claim in claims]
        if any(type(each) is not int for each in (expires_at, *starts)):
            raise Unauthenticated("The access token lacks a claim, or one has the wrong type.")
        if expires_at <= now_s - leeway_s:
            raise Unauthenticated("The access token has expired; get a new one.")
        if any(each > now_s + leeway_s for each in starts):
            raise Unauthenticated("The access token is not valid yet; compare the clocks.")
        return int(expires_at)

    def identity_of(self, claims: Mapping[str, Any]) -> str:
        """Return the identity that claims name.

        Raises:
            Unauthenticated: none.
        """
        value = _at(claims, self.settings.identity_claim)
        if not isinstance(value, str) or not value or value != value.strip():
            raise Unauthenticated("The access token does not name an identity.")
        try:
            return canonical_identity(f"{self.settings.name}:{value}")
        except InvalidInput:
            raise Unauthenticated("The access token names an identity that is not printable ASCII.") from None

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        if self.settings.groups_claim is None:
            return frozenset()
        value = _at(claims, self.settings.groups_claim)
        names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        if len(names) > MAX_GROUPS:
            raise Unauthenticated(f"The access token names more than {MAX_GROUPS} groups.")
        try:
            return frozenset(canonical_group(f"{self.settings.name}:{name}") for name in names if isinstance(name, str))
        except InvalidInput:
            raise Unauthenticated("The access token names a group that is not printable ASCII.") from None


class Issuers:
    """All trusted issuers, found by what a token says of its own. ``kept``: where their keys outlive a restart."""

    def __init__(
        self,
        settings: Iterable[IssuerSettings],
        clock: Clock,
        fetch: Fetch | None = None,
        kept: KeptKeys | None = None,
    ) -> None:
        self._issuers = {each.issuer: Issuer(each, clock, fetch, kept) for each in settings}

    def of(self, token: str) -> tuple[Issuer, Unverified] | None:
        """The issuer that a token claims to be from, with what it says; None: not one of these."""
        if not self._issuers or len(token) > MAX_TOKEN_LENGTH:
            return None
        unverified = peek(token)
        issuer = self._issuers.get(unverified.issuer) if unverified else None
        return (issuer, unverified) if issuer and unverified else None


def _audiences(claims: Mapping[str, Any]) -> frozenset[str]:
    given = claims.get("aud")
    named = [given] if isinstance(given, str) else given
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        return frozenset()
    return frozenset(named)


def _at(claims: Mapping[str, Any], path: ClaimPath) -> Any:
    found: Any = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
