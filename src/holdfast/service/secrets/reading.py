"""The life of a read: L1, Redis, Key Vault, mirror.

PostgreSQL is asked once per miss: it says whether the secret lives, which revision a cached entry must have, and
whether Key Vault still waits for changes, in which case the mirror is the truth and Key Vault is not asked. Key Vault
gets one attempt within the patience; whatever ails it, the mirror answers. Only a secret that no tier holds waits for
the whole retry policy.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from holdfast.domain.intent import unmarked
from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Secret, Source
from holdfast.errors import (
    BackendUnavailable,
    Conflict,
    HoldfastError,
    IntegrityFailure,
    NameUnavailable,
    SecretDisabled,
    SecretNotFound,
    VersionNotFound,
)
from holdfast.ports import Clock, Feed, Head, Ledger, VaultVersion
from holdfast.resilience.events import Event, Log
from holdfast.service.access.guard import Authorized
from holdfast.service.secrets.coherence import Absences, Flights, Unsettled
from holdfast.service.secrets.content import Content, answer, content_of, described
from holdfast.service.secrets.marks import is_ahead, is_credible
from holdfast.service.secrets.mirror import Mirror, Mirrored
from holdfast.service.secrets.numbering import fetched
from holdfast.service.secrets.tiers import Asked, Tiers
from holdfast.service.secrets.upstream import Upstream, told_by

_log: Final = Log(__name__)

OUTAGE_TTL: Final = timedelta(seconds=5)
"""How long an answer from the mirror is fresh while Key Vault is away, so that its return is noticed soon."""

_OVERTAKEN_AT_MOST: Final = 5
"""How often a read begins again because the secret was changed meanwhile."""


class Reader:
    """Answers reads that the guard has authorised.

    Args:
        upstream: None when this installation stands alone.
        refuse_outside_validity: the global setting for expired and not-yet-valid secrets.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        mirror: Mirror,
        clock: Clock,
        feed: Feed,
        tiers: Tiers,
        flights: Flights,
        unsettled: Unsettled,
        absences: Absences,
        upstream: Upstream | None,
        refuse_outside_validity: bool = False,
    ) -> None:
        self._ledger, self._mirror, self._clock, self._feed = ledger, mirror, clock, feed
        self._tiers, self._flights, self._unsettled = tiers, flights, unsettled
        self._absences, self._upstream, self._refuse = absences, upstream, refuse_outside_validity

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
            content = await self._tiers.trusted(name)
            now = self._clock.now()
            if content is not None and self._tiers.is_fresh(content, now):
                return self._answer(name, content, Source.CACHE, now)
        return await self._flights.do(name, lambda: self._load(name))

    async def get_version(self, authorized: Authorized, version: int | str) -> Secret:
        """Return one version by number or id: from the mirror, since the value of a version never changes.

        Key Vault is asked for an id that the mirror does not know, and for a value that it lacks.

        Raises:
            VersionNotFound: the secret has no such version.
            BackendUnavailable: Key Vault may have it, and does not answer.
        """
        name = authorized.name
        found = await self._ledger.version(name, version)
        if isinstance(version, int) and (found is None or _is_unnumbered(found[0], version)):
            await self._number(name, known=found is not None)
            found = await self._ledger.version(name, version)
        head, stored = found or (None, None)
        if head is not None:
            self._mirror.check_living(head)
        if head is None or stored is None:
            return await self._only_there(name, version, head)
        self._mirror.check_enabled(head, stored)
        stored = await fetched(self._upstream.histories if self._upstream else None, self._ledger, head, stored)
        return self._answer(name, self._mirror.content(head, stored, as_of=self._clock.now()), Source.MIRROR)

    async def _only_there(self, name: SecretName, version: int | str, head: Head | None) -> Secret:
        """A version that the mirror does not know, by the id that Key Vault gave it."""
        missing = VersionNotFound(f"Secret not found: {name!r} has no version {version!r}. List its versions.")
        a_version = f"{name}/{version}"
        if self._upstream is None or isinstance(version, int) or a_version in self._absences:
            raise missing if head else not_found(name)
        read = self._upstream.vault.read_once if head else self._upstream.vault.read_patiently
        try:
            seen = await read(name, version)
        except SecretNotFound:
            self._absences.add(a_version)
            raise (missing if head else not_found(name)) from None
        except Conflict as settling:
            raise NameUnavailable(str(settling)) from None
        if head is None:
            self._upstream.histories.later(name)
        told = self._unlisted(seen, None, as_of=self._clock.now())
        refuse = head.settings.refuse_outside_validity if head else None
        content = replace(told, version=0, refuse_outside_validity=refuse)
        return self._answer(name, content, Source.KEYVAULT)

    # --- the tiers, in order ---

    async def _load(self, name: SecretName) -> Secret:
        for _ in range(_OVERTAKEN_AT_MOST):
            try:
                return await self._load_once(name, self._tiers.asking(name))
            except _Overtaken:
                continue
        raise BackendUnavailable(f"{name!r} is being changed all the time; try again.")

    async def _load_once(self, name: SecretName, asked: Asked) -> Secret:
        try:
            found = await self._current(name, brief=True)
        except NameUnavailable:
            raise
        except (BackendUnavailable, IntegrityFailure) as error:
            told = await self._without_ledger(name)
            if told is not None:
                return told
            if isinstance(error, IntegrityFailure):
                raise
            found = await self._current(name)  # no one else knows: now it is worth a wait
        if found is None:
            return await self._from_vault_alone(name, asked)
        return await self._from_caches(found, asked) or await self._from_backends(found, asked)

    async def _from_vault_alone(self, name: SecretName, asked: Asked) -> Secret:
        """The mirror does not know it; PostgreSQL may be lost while what Key Vault tells is taken over."""
        try:
            return await self._first_answer(name, asked)
        except NameUnavailable:
            raise
        except (BackendUnavailable, IntegrityFailure):
            told = await self._without_ledger(name)
            if told is None:
                raise
            return told

    async def _current(self, name: SecretName, *, brief: bool = False) -> Mirrored | None:
        """What the mirror has, which is nothing older than this node has answered or committed before it asked."""
        found = await self._mirror.found(name, at_least=self._tiers.marks.of(name).revision, brief=brief)
        if found is None:
            self._tiers.vanished(name)
            return None
        if found[0].open_intents:
            self._unsettled.announce(name, found[0].revision)
        try:
            self._mirror.check(*found)
        except (SecretNotFound, SecretDisabled):
            await self._tiers.withheld(name, found[0].revision)
            raise
        return found

    async def _from_caches(self, found: Mirrored, asked: Asked) -> Secret | None:
        """An entry of this very state: in L1 after the feed was interrupted, or in Redis."""
        name = found[0].name
        if is_ahead(self._tiers.marks.of(name), *found):
            return None
        kept = await self._tiers.matching(found, asked)
        return self._answer(name, *kept) if kept is not None else None

    async def _from_backends(self, found: Mirrored, asked: Asked) -> Secret:
        head = found[0]
        if self._upstream is None or head.open_intents:
            return await self._from_mirror(found, asked, as_of=self._clock.now())
        try:
            seen = await self._upstream.vault.read_once(head.name)
        except (SecretNotFound, SecretDisabled) as answered:
            return await self._after_refresh(self._upstream, head.name, asked, answered)
        except HoldfastError as error:
            _log(Event.MIRROR_ANSWERS, reason=error)
            return await self._from_mirror(found, asked, as_of=head.verified_at, outage=True)
        if (seen.vault_version_id, seen.updated_at) != (head.vault_version_id, head.vault_updated_at):
            return await self._news(self._upstream, head.name, asked, seen)
        return await self._confirmed(found, asked, seen)

    async def _confirmed(self, found: Mirrored, asked: Asked, seen: VaultVersion) -> Secret:
        """The mirror has what Key Vault has just told."""
        head, stored = found
        value = seen.value or self._mirror.value(head, stored)
        self._mirror.compare(head, stored, value)
        now = self._clock.now()
        content = content_of(head, stored.version, value, now, now)
        return await self._keep_and_answer(head, content, Source.KEYVAULT, asked)

    async def _first_answer(self, name: SecretName, asked: Asked) -> Secret:
        """The first answer of Key Vault about a secret is our answer; its history is taken over behind it."""
        upstream, seen = await self._asked_for(name)
        if seen is None:
            disabled = SecretDisabled(f"{name!r} is disabled in Key Vault.")
            return await self._after_refresh(upstream, name, asked, disabled)
        return await self._news(upstream, name, asked, seen)

    async def _news(self, upstream: Upstream, name: SecretName, asked: Asked, seen: VaultVersion) -> Secret:
        """Key Vault told a version, or a change of one, that the mirror does not have."""
        if not await upstream.histories.glance(name, seen):
            return await self._after_refresh(upstream, name, asked)
        found = await self._current(name)
        if found is None:
            raise not_found(name)
        if (found[0].vault_version_id, found[0].open_intents) == (seen.vault_version_id, 0):
            return await self._confirmed(found, asked, seen)
        return await self._from_mirror(found, asked, as_of=self._clock.now())

    async def _after_refresh(
        self, upstream: Upstream, name: SecretName, asked: Asked, answered: HoldfastError | None = None
    ) -> Secret:
        """What Key Vault told needs a look at the whole history: answer with what is true after that.

        What cannot be taken over in time is an outage, in which the mirror answers; a disabled secret is refused even
        so.
        """
        taken_over = await upstream.histories.soon(name)
        if not taken_over and isinstance(answered, SecretDisabled):
            raise answered from None
        found = await self._current(name)
        if found is None and not taken_over:
            raise NameUnavailable(f"What Key Vault has of {name!r} is still being taken over; try again.")
        if found is None:
            raise not_found(name)
        if taken_over and found[0].drift is None:
            return await self._from_mirror(found, asked, as_of=self._clock.now(), source=Source.KEYVAULT)
        return await self._from_mirror(found, asked, as_of=found[0].verified_at, outage=True)

    async def _from_mirror(
        self, found: Mirrored, asked: Asked, *, as_of: datetime, outage: bool = False, source: Source = Source.MIRROR
    ) -> Secret:
        if is_ahead(self._tiers.marks.of(found[0].name), *found):
            return await self._told_before(found[0].name)
        now = self._clock.now()
        checked_at = now - max(self._tiers.ttl - OUTAGE_TTL, timedelta()) if outage else now
        content = self._mirror.content(*found, as_of=as_of, checked_at=checked_at)
        return await self._keep_and_answer(found[0], content, source, asked)

    async def _told_before(self, name: SecretName) -> Secret:
        """Key Vault told a newer version while PostgreSQL was away, and it cannot be adopted yet: no older one goes."""
        kept = await self._tiers.remembered(name)
        if kept is None:
            raise BackendUnavailable(f"Key Vault has a newer version of {name!r} than the mirror, and does not answer.")
        return self._answer(name, *kept)

    async def discover(self, name: SecretName) -> None:
        """Take over, with all patience, the history of a secret that nothing here knows.

        Raises:
            SecretNotFound: Key Vault does not have it either.
            BackendUnavailable: Key Vault does not answer, so nobody knows.
        """
        await self._number(name, known=False)

    async def _number(self, name: SecretName, *, known: bool) -> None:
        upstream = self._upstream if known else (await self._asked_for(name))[0]
        if upstream is not None:
            await upstream.histories.number(name)

    async def _asked_for(self, name: SecretName) -> tuple[Upstream, VaultVersion | None]:
        """Ask Key Vault, with all patience, for a name that nothing here knows; None for a disabled one."""
        if self._upstream is None or name in self._absences:
            raise not_found(name)
        try:
            return self._upstream, await self._upstream.vault.read_patiently(name)
        except SecretNotFound:
            self._absences.add(name)
            raise not_found(name) from None
        except SecretDisabled:
            return self._upstream, None
        except Conflict as settling:  # no answer to a read: it is settling, and can be looked at again
            raise NameUnavailable(str(settling)) from None

    async def _without_ledger(self, name: SecretName) -> Secret | None:
        """What we remember, or Key Vault tells, under the lease: PostgreSQL does not tell, or not what is credible."""
        kept = await self._tiers.remembered(name)
        if kept is not None and self._tiers.is_fresh(kept[0]):
            return self._answer(name, *kept)
        if self._upstream is not None and name not in self._unsettled:
            as_of = self._clock.now() - timedelta(seconds=self._unsettled.age_s)  # then Key Vault had all there was
            seen = await told_by(self._upstream.vault, name)
            if seen is not None and is_credible(seen, self._tiers.marks.of(name), known=self._unsettled.is_current):
                told = self._unlisted(seen, kept[0] if kept else None, as_of=as_of, told=True)
                await self._tiers.keep_told(name, told)
                return self._answer(name, told, Source.KEYVAULT)
        return self._answer(name, *kept) if kept is not None else None

    # --- answers ---

    async def _keep_and_answer(self, head: Head, content: Content, source: Source, asked: Asked) -> Secret:
        if head.provisional and self._upstream is not None:
            self._upstream.histories.later(head.name)
        if not await self._tiers.keep(head.name, head.revision, content, asked):
            raise _Overtaken
        return self._answer(head.name, content, source)

    def _answer(self, name: SecretName, content: Content, source: Source, now: datetime | None = None) -> Secret:
        now = now or self._clock.now()
        stale = content.told or now - content.as_of > self._tiers.ttl
        return answer(name, content, source, now, stale=stale, refuse_outside_validity=self._refuse)

    def _unlisted(self, seen: VaultVersion, known: Content | None, *, as_of: datetime, told: bool = False) -> Content:
        """What Key Vault says, when PostgreSQL cannot tell its version number: the marker's, or 0 for unknown.

        It may be the one that is remembered, by its id.
        """
        value = seen.value.reveal() if seen.value else ""
        adopted = known is not None and known.vault_version_id == seen.vault_version_id
        number = known.version if known and adopted else seen.marker.version if seen.marker else 0
        same = adopted or (known is not None and known.version == number > 0)
        return Content(
            display_name=seen.name,
            version=number,
            version_id=known.version_id if known and same else seen.vault_version_id,
            value=value,
            created_at=seen.created_at,
            updated_at=seen.updated_at,
            checked_at=self._clock.now(),
            as_of=as_of,
            vault_version_id=seen.vault_version_id,
            vault_updated_at=seen.updated_at,
            told=told,
            **described(unmarked(seen.attributes)),
            description=known.description if known else None,
            refuse_outside_validity=known.refuse_outside_validity if known else True,  # it may be what was asked for
        )


class _Overtaken(Exception):
    """While this was being answered, the node answered or committed a newer state."""


def _is_unnumbered(head: Head, version: int) -> bool:
    """Whether this number may turn out to be another version's."""
    return head.provisional and version >= head.version
