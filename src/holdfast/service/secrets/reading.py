"""The life of a read: L1, Redis, Key Vault, mirror.

PostgreSQL is asked once per miss: it says whether the secret lives, which revision a cached entry must have, and
whether Key Vault still waits for changes, in which case the mirror is the truth and Key Vault is not asked. Key Vault
gets one attempt within the patience; whatever ails it, the mirror answers. Only a secret that no tier holds waits for
the whole retry policy.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from holdfast.domain.intent import MARKER_TAG
from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Secret, Source
from holdfast.errors import (
    BackendUnavailable,
    HoldfastError,
    IntegrityFailure,
    SecretDisabled,
    SecretNotFound,
    TransitionPending,
    VersionNotFound,
)
from holdfast.ports import Cache, Clock, Feed, Head, Ledger, Sealer, VaultVersion
from holdfast.service.access.guard import Authorized
from holdfast.service.secrets.coherence import Absences, Flights, Unsettled
from holdfast.service.secrets.content import Content, answer, content_of, seal, unseal
from holdfast.service.secrets.mirror import Mirror, Mirrored

_log: Final = logging.getLogger(__name__)

OUTAGE_TTL: Final = timedelta(seconds=5)
"""How long an answer from the mirror is fresh while Key Vault is away, so that its return is noticed soon."""


class VaultReader(Protocol):
    """What a read needs of Key Vault."""

    async def read_once(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """One attempt within the patience."""

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted; one attempt within the patience."""

    async def read_patiently(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """The full retry policy."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Key Vault, and ``refresh``: what brings the mirror of one secret up to its state."""

    vault: VaultReader
    refresh: Callable[[SecretName], Awaitable[Head | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    """``cache_ttl``: how long an answer counts as fresh. ``lease``: the longest that this node may serve any
    secret without PostgreSQL.
    ``refuse_outside_validity``: the global setting for expired and not-yet-valid secrets."""

    cache_ttl: timedelta
    lease: timedelta
    refuse_outside_validity: bool = False


class Reader:
    """Answers reads that the guard has authorised.

    Args:
        upstream: None when this installation stands alone.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        mirror: Mirror,
        sealer: Sealer,
        clock: Clock,
        feed: Feed,
        local: Cache,
        shared: Cache | None,
        flights: Flights,
        unsettled: Unsettled,
        absences: Absences,
        upstream: Upstream | None,
        policy: ReadPolicy,
    ) -> None:
        self._ledger, self._mirror, self._sealer, self._clock, self._feed = ledger, mirror, sealer, clock, feed
        self._local, self._shared, self._flights, self._unsettled = local, shared, flights, unsettled
        self._absences, self._upstream, self._policy = absences, upstream, policy

    async def get(self, authorized: Authorized) -> Secret:
        """Return the current version.

        Raises:
            SecretNotFound: it is not there, or deleted.
            SecretDisabled: its current version is disabled.
            SecretOutsideValidity: outside its validity, and that is refused.
            BackendUnavailable: no tier that holds it answers.
        """
        name = authorized.name
        if self._feed.live():
            content = await self._remembered(self._local, name)
            now = self._clock.now()
            if content is not None and now - content.checked_at < self._policy.cache_ttl:
                return self._answer(name, content, Source.CACHE, now)
        return await self._flights.do(name, lambda: self._load(name))

    async def get_version(self, authorized: Authorized, version: int | str) -> Secret:
        """Return one version by number or id, from the mirror: the value of a version never changes.

        Raises:
            VersionNotFound: the secret has no such version.
        """
        name = authorized.name
        found = await self._ledger.version(name, version)
        if found is None:
            await self.discover(name)
            found = await self._ledger.version(name, version)
        if found is None:
            raise not_found(name)
        head, stored = found
        self._mirror.check_living(head)
        if stored is None:
            raise VersionNotFound(f"Secret not found: {name!r} has no version {version!r}. List its versions.")
        self._mirror.check_enabled(head, stored)
        return self._answer(name, self._mirror.content(head, stored, as_of=self._clock.now()), Source.MIRROR)

    # --- the tiers, in order ---

    async def _load(self, name: SecretName) -> Secret:
        try:
            found = await self._mirror.current(name)
            if found is None:
                await self.discover(name)
                found = await self._mirror.current(name)
        except (BackendUnavailable, IntegrityFailure) as error:
            return await self._without_ledger(name, error)
        if found is None:
            raise not_found(name)
        return await self._from_caches(found[0]) or await self._from_backends(found)

    async def _from_caches(self, head: Head) -> Secret | None:
        """An entry of this very revision: in L1 after the feed was interrupted, or in Redis."""
        for cache, source in ((self._local, Source.CACHE), (self._shared, Source.REDIS)):
            content = await self._remembered(cache, head.name, head.revision)
            if content is not None and self._fresh(content):
                if cache is self._shared:
                    await self._local.put(head.name, seal(self._sealer, head.name, head.revision, content), self._keep)
                return self._answer(head.name, content, source)
        return None

    async def _from_backends(self, found: Mirrored) -> Secret:
        head, stored = found
        if self._upstream is None or head.open_intents:
            return await self._from_mirror(found, as_of=self._clock.now())
        try:
            seen = await self._upstream.vault.read_once(head.name)
        except (SecretNotFound, SecretDisabled) as answered:
            return await self._after_refresh(self._upstream, head.name, answered)
        except HoldfastError as error:
            _log.info("The mirror answers for Key Vault: %s", error)
            return await self._from_mirror(found, as_of=head.verified_at, outage=True)
        if seen.value is None or (seen.vault_version_id, seen.updated_at) != (
            head.vault_version_id,
            head.vault_updated_at,
        ):
            return await self._after_refresh(self._upstream, head.name)
        self._mirror.compare(head, stored, seen.value)
        now = self._clock.now()
        content = content_of(head, stored.version, seen.value, now, now)
        return await self._keep_and_answer(head, content, Source.KEYVAULT)

    async def _after_refresh(
        self, upstream: Upstream, name: SecretName, answered: HoldfastError | None = None
    ) -> Secret:
        """Key Vault told something new: take it over, then answer with what is true now.

        What cannot be taken over yet is an outage, in which the mirror answers; a disabled secret is refused even so.
        """
        taken_over = True
        try:
            await upstream.refresh(name)
        except (BackendUnavailable, TransitionPending) as error:
            _log.info("What Key Vault tells cannot be taken over now: %s", error)
            if isinstance(answered, SecretDisabled):
                raise answered from None
            taken_over = False
        found = await self._mirror.current(name)
        if found is None:
            raise not_found(name)
        if taken_over and found[0].drift is None:
            return await self._from_mirror(found, as_of=self._clock.now(), source=Source.KEYVAULT)
        return await self._from_mirror(found, as_of=found[0].verified_at, outage=True)

    async def _from_mirror(
        self, found: Mirrored, *, as_of: datetime, outage: bool = False, source: Source = Source.MIRROR
    ) -> Secret:
        now = self._clock.now()
        checked_at = now - max(self._policy.cache_ttl - OUTAGE_TTL, timedelta()) if outage else now
        content = self._mirror.content(*found, as_of=as_of, checked_at=checked_at)
        return await self._keep_and_answer(found[0], content, source)

    async def discover(self, name: SecretName) -> None:
        """Ask Key Vault, with all patience, for a name that nothing here knows, and adopt what it has.

        Raises:
            SecretNotFound: it is not there either.
            BackendUnavailable: Key Vault does not answer, so nobody knows.
        """
        if self._upstream is None or name in self._absences:
            raise not_found(name)
        try:
            await self._upstream.vault.read_patiently(name)
        except SecretNotFound:
            self._absences.add(name)
            raise not_found(name) from None
        except SecretDisabled:
            _log.info("Adopting %s, which is disabled in Key Vault", name)
        await self._upstream.refresh(name)

    async def _without_ledger(self, name: SecretName, cause: HoldfastError) -> Secret:
        """PostgreSQL is away, or what it says is not credible: what we remember, or Key Vault, under the lease."""
        content = await self._remembered(self._local, name)
        if content is not None and self._fresh(content):
            return self._answer(name, content, Source.CACHE)
        if self._upstream is not None and name not in self._unsettled:
            seen = await self._told_by_vault(self._upstream.vault, name)
            if seen is not None:
                return self._answer(name, self._unlisted(seen, content), Source.KEYVAULT)
        if content is None:
            raise cause
        return self._answer(name, content, Source.CACHE)

    @staticmethod
    async def _told_by_vault(vault: VaultReader, name: SecretName) -> VaultVersion | None:
        """What Key Vault says; None if it does not answer, or merely lacks the secret.

        Raises:
            SecretDisabled: it is disabled there.
            SecretNotFound: it is deleted there.
        """
        try:
            return await vault.read_once(name)
        except SecretDisabled:
            raise
        except SecretNotFound as missing:
            if await _is_confirmed(vault, name):
                raise not_found(name) from missing
        except HoldfastError as error:
            _log.info("Neither PostgreSQL nor Key Vault tells about %s: %s", name, error)
        return None

    # --- what is remembered ---

    @property
    def _keep(self) -> timedelta:
        return max(self._policy.cache_ttl, self._policy.lease)

    async def _remembered(self, cache: Cache | None, name: SecretName, revision: int | None = None) -> Content | None:
        entry = await cache.get(name) if cache is not None else None
        if entry is None or revision not in (None, entry.revision):
            return None
        return unseal(self._sealer, name, entry)

    async def _keep_and_answer(self, head: Head, content: Content, source: Source) -> Secret:
        entry = seal(self._sealer, head.name, head.revision, content)
        await self._local.put(head.name, entry, self._keep)
        if self._shared is not None:
            await self._shared.put(head.name, entry, self._policy.cache_ttl)
        return self._answer(head.name, content, source)

    def _fresh(self, content: Content) -> bool:
        return self._clock.now() - content.checked_at < self._policy.cache_ttl

    def _answer(self, name: SecretName, content: Content, source: Source, now: datetime | None = None) -> Secret:
        now = now or self._clock.now()
        stale = content.settled and now - content.as_of > self._policy.cache_ttl
        refuse = self._policy.refuse_outside_validity
        return answer(name, content, source, now, stale=stale, refuse_outside_validity=refuse)

    def _unlisted(self, seen: VaultVersion, known: Content | None) -> Content:
        """What Key Vault says, when PostgreSQL cannot tell its version number: the marker's, or 0 for unknown.

        A version without a marker was made there; it may be the one that was adopted and is remembered.
        """
        value = seen.value.reveal() if seen.value else ""
        adopted = known is not None and (known.created_at, known.value) == (seen.created_at, value)
        number = seen.marker.version if seen.marker else known.version if known and adopted else 0
        same = known is not None and known.version == number
        now = self._clock.now()
        attributes = seen.attributes
        return Content(
            display_name=seen.name,
            version=number,
            version_id=known.version_id if known and same else seen.vault_version_id,
            value=value,
            created_at=seen.created_at,
            updated_at=seen.updated_at,
            checked_at=now,
            as_of=now,
            not_before=attributes.not_before,
            expires_at=attributes.expires_at,
            content_type=attributes.content_type,
            tags={key: value for key, value in attributes.tags.items() if key != MARKER_TAG},
            description=known.description if known else None,
            refuse_outside_validity=known.refuse_outside_validity if known else True,  # it may be what was asked for
        )


async def _is_confirmed(vault: VaultReader, name: SecretName) -> bool:
    """Whether Key Vault confirms a deletion; not if it does not answer any more."""
    try:
        return await vault.is_deleted(name)
    except HoldfastError:
        return False
