"""An issuer's keys: fetched when needed, renewed in time, kept while the issuer is down, over a restart too."""

import asyncio
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from holdfast.auth.fetching import fetch_json
from holdfast.auth.keptkeys import KeptKeys
from holdfast.config.issuers import IssuerSettings
from holdfast.crypto.foreign_tokens import PublicKey, PublicKeys
from holdfast.errors import BackendUnavailable
from holdfast.ports import Clock
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages

_log: Final = Log(__name__)

RENEW_AFTER_S: Final = 900.0
"""Age at which keys are renewed beside serving: a key that the issuer has withdrawn is believed no longer than that."""

KEEP_S: Final = 86_400.0
"""Age up to which keys are used although the issuer cannot be reached."""

UNKNOWN_KEY_PAUSE_S: Final = 10.0
"""Seconds between fetches, however many unknown key ids are tried on us."""


class Fetch(Protocol):
    """Gets a JSON document."""

    async def __call__(self, url: str) -> Any:
        """Return it.

        Raises:
            BackendUnavailable: it cannot be had.
        """


class KeySource:
    """The keys of one issuer."""

    def __init__(
        self, settings: IssuerSettings, clock: Clock, fetch: Fetch | None = None, kept: KeptKeys | None = None
    ) -> None:
        self._settings, self._clock, self._kept = settings, clock, kept
        self._fetch_document = fetch or self._fetch_pinned
        self._keys: PublicKeys | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._outages = Outages(monotonic=clock.monotonic)

    def named(self, key_id: str) -> tuple[PublicKey, ...]:
        """The issuer's keys of that id, as far as this node has been told; mostly one."""
        return self._keys.keys.get(key_id, ()) if self._keys is not None and self._age_s() < KEEP_S else ()

    async def keys(self, key_id: str) -> PublicKeys:
        """Return the issuer's keys, renewed if this one is not among them.

        Raises:
            BackendUnavailable: there are none, and the issuer cannot be reached.
        """
        now = self._clock.monotonic()
        if not self.named(key_id):
            if now - self._tried_at >= UNKNOWN_KEY_PAUSE_S or self._fetching is not None:
                await asyncio.shield(self._begin())
                self._remember()
        elif self._age_s() >= RENEW_AFTER_S and now - self._tried_at >= UNKNOWN_KEY_PAUSE_S:
            self._begin()
        if self._keys is None or self._age_s() >= KEEP_S:
            raise BackendUnavailable(f"The keys of issuer {self._settings.name!r} cannot be fetched; try again.")
        return self._keys

    def _age_s(self) -> float:
        return self._clock.monotonic() - self._fetched_at

    def _begin(self) -> asyncio.Task[None]:
        """Fetch, once for all who wait."""
        if self._fetching is None:
            self._tried_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._renew(), name=f"keys of {self._settings.name}")
        return self._fetching

    async def _renew(self) -> None:
        try:
            document = await self._fetch_document(await self._address())
            self._keys = PublicKeys.parse(document)
            self._fetched_at = self._clock.monotonic()
            if self._kept is not None:
                self._kept.keep(self._settings.issuer, self._settings.jwks_uri, self._clock.now(), document)
        except (BackendUnavailable, ValueError) as error:
            self._outages.failed(f"Renewing the keys of issuer {self._settings.name}", error)
        else:
            self._outages.works(f"Renewing the keys of issuer {self._settings.name}")
        finally:
            self._fetching = None

    def _remember(self) -> None:
        """Without keys since the start: those that were fetched before it, if they are not too old."""
        if self._keys is not None or self._kept is None:
            return
        found = self._kept.find(self._settings.issuer, self._settings.jwks_uri)
        age_s = (self._clock.now() - found[0]).total_seconds() if found else KEEP_S
        if found is None or not 0 <= age_s < KEEP_S:
            return
        try:
            self._keys = PublicKeys.parse(found[1])
        except ValueError as error:
            _log(Event.ISSUER_KEYS_USELESS, issuer=self._settings.name, reason=error)
            return
        self._fetched_at = self._clock.monotonic() - age_s

    async def _address(self) -> str:
        """Where the keys are; the discovery document may only name the issuer's own host."""
        settings = self._settings
        if settings.jwks_uri is not None:
            return settings.jwks_uri
        document = await self._fetch_document(settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
        address = document.get("jwks_uri") if isinstance(document, dict) else None
        if not isinstance(address, str) or document.get("issuer") != settings.issuer:
            raise ValueError("its discovery document is not its own")
        if urlsplit(address)[:2] != urlsplit(settings.issuer)[:2]:
            raise ValueError(
                "its discovery document names another host for the keys; configure jwks_uri if that is right"
            )
        return address

    async def _fetch_pinned(self, url: str) -> Any:
        return await fetch_json(url, self._settings.ca_file, self._settings.bearer_token_file)
