"""How far this node has answered, by name, so that it never answers older than that."""

from collections import OrderedDict
from datetime import datetime
from typing import Final, NamedTuple

from holdfast.domain.names import SecretName
from holdfast.ports import Head, StoredVersion, VaultVersion
from holdfast.service.secrets.content import Content

MAX_MARKS: Final = 50_000
"""Names remembered, those last read or announced: about 20 MB at most."""


class Mark(NamedTuple):
    """The newest state of a name that was answered, committed or announced here.

    ``heard``: the highest revision announced, which anybody may who can reach the database: it makes no one believe a
    row less. ``revision``: the highest answered or committed here, 0 for none. The rest is about the version that was
    answered: its number (0: unknown), when it was made, and its id and time of change in Key Vault where known.
    ``told``: Key Vault alone told it, while PostgreSQL could not be asked. ``gone``: PostgreSQL did not know the name.
    """

    heard: int = 0
    revision: int = 0
    version: int = 0
    created_at: datetime | None = None
    vault_id: str | None = None
    vault_updated_at: datetime | None = None
    told: bool = False
    gone: bool = False

    @property
    def floor(self) -> int:
        """The lowest revision that may be answered while PostgreSQL cannot be asked."""
        return max(self.heard, self.revision)


NONE: Final = Mark()


class Marks:
    """The marks of the names last answered or announced. Reconnecting does not clear them."""

    def __init__(self, limit: int = MAX_MARKS) -> None:
        self._limit = limit
        self._marks: OrderedDict[SecretName, Mark] = OrderedDict()  # least recently used first

    def __len__(self) -> int:
        return len(self._marks)

    def answered_names(self) -> list[SecretName]:
        """The names of which something was answered or committed here."""
        return [name for name, mark in self._marks.items() if mark.revision]

    def of(self, name: SecretName) -> Mark:
        """The mark of a name; ``NONE`` if nothing is remembered."""
        return self._marks.get(name, NONE)

    def announced(self, name: SecretName, revision: int) -> None:
        """The name is said to have reached this revision."""
        mark = self.of(name)
        if revision > mark.heard:
            self._put(name, mark._replace(heard=revision))

    def committed(self, name: SecretName, revision: int) -> None:
        """The name has reached this revision, by a change made here."""
        mark = self.of(name)
        if revision > mark.revision:
            self._put(name, Mark(heard=mark.heard, revision=revision))

    def answered(self, name: SecretName, revision: int, content: Content, *, heard_before: int) -> bool:
        """PostgreSQL says that this is current; False if newer has been answered or committed here meanwhile.

        ``heard_before``: what was announced when it was asked. If that was higher, it was not true.
        """
        mark = self.of(name)
        if revision < mark.revision:
            return False
        heard = revision if mark.heard <= heard_before else max(mark.heard, revision)
        self._put(name, _mark(heard, revision, content))
        return True

    def vanished(self, name: SecretName) -> None:
        """PostgreSQL does not know the name any more."""
        if name in self._marks and not self._marks[name].gone:
            self._put(name, self._marks[name]._replace(gone=True))

    def carried(self, name: SecretName, revision: int, content: Content) -> None:
        """This is about to be answered though PostgreSQL cannot be asked; nothing known is newer."""
        self._put(name, _mark(self.of(name).heard, revision, content))

    def told(self, name: SecretName, content: Content) -> None:
        """Key Vault alone says that this is current."""
        mark = self.of(name)
        self._put(name, _mark(mark.heard, mark.revision, content)._replace(told=True))

    def lower(self, name: SecretName, revision: int) -> None:
        """The database has lost what was after this revision: its state counts from now on."""
        self._put(name, Mark(heard=revision, revision=revision))

    def _put(self, name: SecretName, mark: Mark) -> None:
        self._marks[name] = mark
        self._marks.move_to_end(name)
        if len(self._marks) > self._limit:
            self._marks.popitem(last=False)


def is_ahead(mark: Mark, head: Head, stored: StoredVersion) -> bool:
    """Whether Key Vault alone told a newer version than the ledger has, so that it is yet to be adopted."""
    if not mark.told or (mark.vault_id is not None and mark.vault_id == head.vault_version_id):
        return False
    if mark.version:
        return mark.version > head.version
    return mark.created_at is not None and mark.created_at > stored.version.created_at


def is_older(seen: VaultVersion, mark: Mark) -> bool | None:
    """Whether Key Vault tells an older state than the mark's; None if that cannot be told.

    Of what was only heard of it does not: Key Vault is not asked before a look at the journal has shown that it has it.
    Two clocks are at work, Key Vault's and ours, and Key Vault counts whole seconds: times decide last.
    """
    if mark.created_at is None:
        return None if mark.revision else False
    if seen.vault_version_id == mark.vault_id:
        return mark.vault_updated_at is not None and seen.updated_at < mark.vault_updated_at
    if seen.marker is not None and mark.version:
        return seen.marker.version < mark.version
    if seen.created_at == mark.created_at:
        return None
    return seen.created_at < mark.created_at


def is_credible(seen: VaultVersion, mark: Mark, *, known: bool) -> bool:
    """Whether Key Vault's word may stand alone: it is not older than what was answered here.

    ``known``: the journal was looked at just now, so that what cannot be ordered passes; later, only what is provably
    not older.
    """
    older = is_older(seen, mark)
    return not older if known else older is False


def _mark(heard: int, revision: int, content: Content) -> Mark:
    return Mark(
        heard=heard,
        revision=revision,
        version=content.version,
        created_at=content.created_at,
        vault_id=content.vault_version_id,
        vault_updated_at=content.vault_updated_at,
    )
