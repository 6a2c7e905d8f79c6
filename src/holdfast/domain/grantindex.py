"""Grants of one subject, arranged so that a decision costs a few look-ups however many there are."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeAlias

from holdfast.domain.names import is_glob
from holdfast.domain.policy import Caller, Grant, Permission, group_subject

_ByPattern: TypeAlias = dict[str, tuple[Grant, ...]]
_Shapes: TypeAlias = tuple[tuple[int, int, _ByPattern], ...]


class GrantIndex:
    """Grants on exact names by name; globs by the lengths of what stands before and after their ``*``.

    A name is covered by a glob of such a shape if cutting out its middle gives that very glob: one look-up decides
    about all globs of one shape. Exact names come before globs, and long globs before short ones.
    """

    def __init__(self, grants: Iterable[Grant]) -> None:
        self.grants = tuple(grants)
        by_permission: defaultdict[Permission, list[Grant]] = defaultdict(list)
        for grant in self.grants:
            for permission in grant.permissions:
                by_permission[permission].append(grant)
        self._tables = {permission: (_exact(held), _shapes(held)) for permission, held in by_permission.items()}

    def find(self, permission: Permission, name: str, now: Callable[[], datetime]) -> Grant | None:
        """Return a grant in force that gives ``permission`` on ``name``, or None. ``now`` is asked if it matters."""
        table = self._tables.get(permission)
        if table is None:
            return None
        exact, shapes = table
        for grant in exact.get(name, ()):
            if grant.expires_at is None or now() < grant.expires_at:
                return grant
        length = len(name)
        for before, after, globs in shapes:
            if length >= before + after:
                for grant in globs.get(f"{name[:before]}*{name[length - after :]}", ()):
                    if grant.expires_at is None or now() < grant.expires_at:
                        return grant
        return None

    def gives(self, permission: Permission, now: Callable[[], datetime]) -> bool:
        """Whether a grant in force gives ``permission`` on any names at all."""
        return any(permission in grant.permissions and not grant.expired(now()) for grant in self.grants)


def decide(
    indexes: Mapping[str, GrantIndex],
    caller: Caller,
    groups_of: Callable[[str], frozenset[str]],
    permission: Permission,
    name: str,
    now: Callable[[], datetime],
) -> Grant | None:
    """Return the grant by which a caller may do something now, or None: a refusal.

    Args:
        indexes: of the grants, by subject. The caller's own are asked first, then those of each group in order.
        groups_of: the groups of an identity beside those that its proof of identity vouches for.
    """
    own = indexes.get(caller.id)
    found = own.find(permission, name, now) if own is not None else None
    if found is not None:
        return found
    for group in sorted(caller.groups | groups_of(caller.id)):
        shared = indexes.get(group_subject(group))
        found = shared.find(permission, name, now) if shared is not None else None
        if found is not None:
            return found
    return None


def _exact(grants: Iterable[Grant]) -> _ByPattern:
    return _grouped(grant for grant in grants if not is_glob(grant.pattern))


def _shapes(grants: Iterable[Grant]) -> _Shapes:
    by_shape: defaultdict[tuple[int, int], list[Grant]] = defaultdict(list)
    for grant in grants:
        if is_glob(grant.pattern):
            before, _, after = grant.pattern.partition("*")
            by_shape[len(before), len(after)].append(grant)
    ordered = sorted(by_shape, key=lambda shape: (-sum(shape), shape))
    return tuple((before, after, _grouped(by_shape[before, after])) for before, after in ordered)


def _grouped(grants: Iterable[Grant]) -> _ByPattern:
    grouped: defaultdict[str, list[Grant]] = defaultdict(list)
    for grant in grants:
        grouped[grant.pattern].append(grant)
    return {pattern: tuple(held) for pattern, held in grouped.items()}
