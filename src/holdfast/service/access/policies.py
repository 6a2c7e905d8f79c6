"""Who may say how a secret is rotated: a rotation carries its credentials off, and acts with those that it borrows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from msgspec.structs import replace

from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.secret import PolicyAuthor, RotationPolicy, SecretSettings
from holdfast.errors import AccessDenied
from holdfast.service.access.guard import Authorized, Guard, denied


@dataclass(frozen=True, slots=True)
class Reach:
    """What a policy has a handler do.

    ``borrowed``: the secrets it names, whose values the handler works with. ``anywhere``: it sends credentials to a
    place that the policy itself spells out, rather than one of a borrowed credential.
    """

    borrowed: Sequence[str] = ()
    anywhere: bool = False


ReachOf: TypeAlias = Callable[[SecretName, RotationPolicy], Reach]
"""Tells it of a secret's policy, by what the handlers declare."""


class PolicyRights:
    """Decides about handler and options of policies; ``is_disabled`` tells of identities."""

    def __init__(self, guard: Guard, reach_of: ReachOf, is_disabled: Callable[[str], bool]) -> None:
        self._guard, self._reach_of, self._is_disabled = guard, reach_of, is_disabled

    def settled(self, authorized: Authorized, before: SecretSettings | None, after: SecretSettings) -> SecretSettings:
        """Return settings that a caller gives a secret, with whose word its rotation policy is from now on.

        To change handler or options takes `get` and `rotate` on the secret, and `get` on every secret they name; to
        give a policy that rotates by itself takes `rotate`. Whoever has all of it and gives the same again confirms it.

        Raises:
            AccessDenied: some of it is missing.
        """
        caller, name = authorized.caller, authorized.name
        former, wanted = before.rotation_policy if before is not None else None, after.rotation_policy
        if wanted is None:
            return replace(after, rotation_author=None)
        if wanted is former:
            return after
        if wanted.goes_by_itself and wanted != former and not self._guard.may(caller, Permission.ROTATE, name):
            raise denied(caller, (Permission.ROTATE,), name)
        return replace(after, rotation_author=self._author(caller, name, before, wanted))

    def _author(
        self, caller: Caller, name: SecretName, before: SecretSettings | None, wanted: RotationPolicy
    ) -> PolicyAuthor | None:
        if not wanted.steers:
            return None
        missing = self._missing(caller, name, wanted)
        if missing is None:
            return PolicyAuthor(id=caller.id, groups=tuple(sorted(caller.groups)), system=caller.is_system)
        if before is not None and wanted.steers_like(before.rotation_policy):
            return before.rotation_author
        permission, where = missing
        raise denied(caller, (permission,), where)

    def objection(self, name: SecretName, settings: SecretSettings) -> str | None:
        """Say why a stored policy needs somebody who confirms it; None where no one has to.

        Those of unknown authors stand where the place that credentials go to is a borrowed credential's: to name that
        has always taken `get` on it.
        """
        policy, author = settings.rotation_policy, settings.rotation_author
        if policy is None or not policy.steers:
            return None
        if author is None:
            return "nobody knows who wrote it" if self._reach_of(name, policy).anywhere else None
        if not author.system and self._is_disabled(author.id):
            return f"its author {author.id!r} is disabled"
        whoever = Caller(author.id, is_system=author.system, groups=frozenset(author.groups))
        missing = self._missing(whoever, name, policy)
        return f"its author {author.id!r} may not {missing[0]} {missing[1]!r}" if missing is not None else None

    def check_run(self, asker: Caller | None, name: SecretName, settings: SecretSettings) -> None:
        """See that a rotation may go ahead, on the word of the policy's author or of whoever asks for it.

        Args:
            asker: None where it goes by itself.

        Raises:
            AccessDenied: on neither; a person who may has to confirm the policy.
        """
        reason, policy = self.objection(name, settings), settings.rotation_policy
        if reason is None or policy is None or (asker is not None and self._missing(asker, name, policy) is None):
            return
        raise AccessDenied(
            f"Permission denied: the rotation policy of {name!r} has to be confirmed, as {reason}. Somebody who may "
            "'get' and 'rotate' it, and 'get' what its options name, confirms it by giving the same policy again."
        )

    def _missing(
        self, caller: Caller, name: SecretName, policy: RotationPolicy
    ) -> tuple[Permission, SecretName] | None:
        """The first right that a caller lacks for saying this."""
        borrowed = [(Permission.GET, canonical_name(each)) for each in self._reach_of(name, policy).borrowed]
        needed = [(Permission.GET, name), (Permission.ROTATE, name), *borrowed]
        return next((each for each in needed if not self._guard.may(caller, *each)), None)
