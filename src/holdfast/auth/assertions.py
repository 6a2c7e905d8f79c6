"""Logging in by an assertion (RFC 7521, RFC 7523): what a trusted issuer signed of a client, or the client itself.

An issuer's ``audiences`` are those of tokens that are shown to the API directly. The audience of an assertion is the
registered one, exactly; the issuer's ``required_claims`` hold for both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from holdfast.auth.asserted import AssertedLogin, AssertionRefused, Why
from holdfast.auth.certified import certified
from holdfast.auth.clients import ClientTokens, IssuedToken
from holdfast.auth.oidc import Issuer, Issuers
from holdfast.crypto.assertions import Assertion, read_assertion
from holdfast.domain.assertions import MAX_FEDERATED_LIFETIME, ClientCredential, CredentialKind
from holdfast.errors import Unauthenticated
from holdfast.ports import AssertionUse, ChooseCredential, Clock


class AssertedClients(Protocol):
    """The registered clients."""

    async def authenticate_asserted(
        self, client_id: str, choose: ChooseCredential, *, ip_address: str | None
    ) -> ClientCredential:
        """Return the credential by which a client logs in, on record; ``choose`` gets all that it has.

        Raises:
            Unauthenticated: by none.
        """

    async def use_assertion(self, use: AssertionUse) -> bool:
        """Note that an assertion was shown; False if its id was shown before, by another assertion or elsewhere."""

    def credentials_of(self, client_id: str) -> Sequence[ClientCredential]:
        """What a client shows instead of a secret; from memory."""

    def is_disabled(self, identity: str) -> bool:
        """Whether an identity has been disabled; from memory."""


class _Proof(NamedTuple):
    """What an assertion proves: ``use`` of one that the client signed, or whom an issuer ``vouched`` for."""

    credential: ClientCredential
    use: AssertionUse | None = None
    vouched: str | None = None


class Assertions:
    """The way from an assertion to an access token."""

    def __init__(self, tokens: ClientTokens, clients: AssertedClients, issuers: Issuers | None, clock: Clock) -> None:
        self._tokens, self._clients, self._issuers, self._clock = tokens, clients, issuers, clock

    async def issue(self, login: AssertedLogin) -> IssuedToken:
        """Return a token for what was asked. Both outcomes are on record, without any part of the assertion.

        Raises:
            InvalidInput: the resource is not this server's.
            AssertionRefused: the assertion does not prove the client.
            BackendUnavailable: the keys of its issuer are not to be had, or it cannot be noted that it was shown.
        """
        audience, proofs = self._tokens.audience_of(login.resource, login.host), list[_Proof]()

        async def choose(credentials: Sequence[ClientCredential]) -> ClientCredential:
            proofs.append(await self._shown(login, credentials))
            return proofs[0].credential

        credential = await self._clients.authenticate_asserted(login.client_id, choose, ip_address=login.ip_address)
        return self._tokens.issue_to(
            login.client_id, credential.registration, audience, login.host, vouched=proofs[0].vouched
        )

    async def proves(self, login: AssertedLogin) -> bool:
        """Whether the assertion proves the client. Nothing goes on record and nothing is issued.

        Of one that the client signed, it is noted who showed it, as of any that holds: else someone who has it would be
        past the limit on guessing.

        Raises:
            BackendUnavailable: see ``issue``.
        """
        try:
            await self._shown(login, self._clients.credentials_of(login.client_id))
        except Unauthenticated:
            return False
        return True

    async def _shown(self, login: AssertedLogin, credentials: Sequence[ClientCredential]) -> _Proof:
        """What is shown. Of an assertion that the client signed itself, it is noted who showed it.

        Microsoft's libraries show one again for as long as it lasts, for another resource or when an answer was lost;
        from anyone else it is a stolen one.
        """
        proof = await self._proven(login, credentials)
        if proof.use is not None and not await self._clients.use_assertion(proof.use):
            raise AssertionRefused(Why.UNTRUSTED, "The assertion's id was shown before, from elsewhere or by another.")
        return proof

    async def _proven(self, login: AssertedLogin, credentials: Sequence[ClientCredential]) -> _Proof:
        try:
            assertion = read_assertion(login.assertion)
        except Unauthenticated as error:
            raise AssertionRefused(Why.MALFORMED, str(error)) from None
        if assertion.claims.get("iss") == login.client_id:
            return _Proof(*certified(login, assertion, credentials, self._clock.now()))
        return await self._federated(assertion, credentials)

    async def _federated(self, assertion: Assertion, credentials: Sequence[ClientCredential]) -> _Proof:
        found = self._issuers.of(assertion.text) if self._issuers is not None else None
        if found is None:
            raise AssertionRefused(Why.NO_MATCH, "The assertion names no trusted issuer.")
        issuer, said = found
        try:
            claims = await issuer.claims(assertion.text, said)
            identity = issuer.identity_of(claims)
        except Unauthenticated as error:
            raise AssertionRefused(Why.UNTRUSTED, f"The assertion does not hold: {error}") from None
        if self._clients.is_disabled(identity):
            raise AssertionRefused(Why.NO_MATCH, "The identity that the issuer vouches for is disabled here.")
        _check_lifetime(claims)
        return _Proof(_matching(claims, issuer, credentials), vouched=identity)


def _check_lifetime(claims: Mapping[str, Any]) -> None:
    """See that an assertion was made for a while only. That its times are whole numbers is known."""
    begins = claims.get("iat", claims.get("nbf"))
    if begins is None or claims["exp"] - begins > MAX_FEDERATED_LIFETIME.total_seconds():
        raise AssertionRefused(Why.UNTRUSTED, f"The assertion is good for more than {MAX_FEDERATED_LIFETIME}.")


def _matching(claims: Mapping[str, Any], issuer: Issuer, credentials: Sequence[ClientCredential]) -> ClientCredential:
    """The credential with exactly this issuer, subject and audience; the reason says which of them is missing."""
    wanted = {
        "issuer": issuer.settings.issuer,
        "subject": claims.get("sub"),
        "audience": _only_audience(claims),
    }
    left = [each for each in credentials if each.kind is CredentialKind.FEDERATED]
    for term, value in wanted.items():
        left = [each for each in left if value is not None and getattr(each, term) == value]
        if not left:
            raise AssertionRefused(Why.NO_MATCH, f"No federated credential of the client has the assertion's {term}.")
    return left[0]


def _only_audience(claims: Mapping[str, Any]) -> str | None:
    """The audience; None where there are several: which of them was meant, no one could tell."""
    given = claims.get("aud")
    named = given if isinstance(given, list) else [given]
    return named[0] if len(named) == 1 and isinstance(named[0], str) else None
