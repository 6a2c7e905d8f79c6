"""Which handler rotates which secret."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Final

from holdfast.domain.extras import to_add
from holdfast.domain.names import SecretName, canonical_pattern, is_glob, matches
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import InvalidInput
from holdfast.ports import Rotation, RotationHandler
from holdfast.service.access.policies import Reach

Generate = Callable[[], str | Awaitable[str]]
"""The one-function form: returns the new value, having made it valid at the target by itself."""

CALLBACK: Final = "callback"
"""The handler of a value that is already there: it has no steps left to take at the target."""


class OneCallback(RotationHandler):
    """The one-function form as a handler.

    What the function returns is stored before anything else happens. What it does at the target before it returns is
    beyond anybody's reach: if the process dies in the middle of it, a credential that the target already has is lost.
    The four-step form has no such gap.
    """

    def __init__(self, generate: Generate | None = None) -> None:
        self._generate = generate

    async def create(self, rotation: Rotation) -> str:
        """Call the function."""
        if self._generate is None:
            raise InvalidInput(f"There is nothing that could make a new value for {rotation.name!r}.", field="generate")
        made = self._generate()
        return await made if inspect.isawaitable(made) else made


class Handlers:
    """Handlers by name: those that an application registered for names and globs, and the built-in ones.

    Args:
        absent: built-in ones that this node lacks, with the extra that brings each.
    """

    def __init__(self, built_in: Mapping[str, RotationHandler], absent: Mapping[str, str] | None = None) -> None:
        self._built_in = {CALLBACK: OneCallback(), **built_in}
        self._absent = absent or {}
        self._registered: dict[str, RotationHandler] = {}

    def register(self, pattern: str, handler: RotationHandler | Generate) -> None:
        """Let ``handler`` rotate the secrets that a name or glob covers; the longest pattern that fits decides.

        Raises:
            InvalidInput: neither a handler nor a function, or a handler whose declarations cannot be understood.
        """
        if not isinstance(handler, RotationHandler):
            if not callable(handler):
                raise InvalidInput("handler must be a RotationHandler or a function.", field="handler")
            handler = OneCallback(handler)
        _check_declarations(handler)
        self._registered[canonical_pattern(pattern)] = handler

    def find(self, name: SecretName, policy: RotationPolicy | None) -> tuple[str, RotationHandler] | None:
        """Return the handler for a secret with its name: the registered one, or the built-in one its policy names."""
        fitting = [pattern for pattern in self._registered if matches(pattern, name)]
        if fitting:
            pattern = max(fitting, key=lambda each: (not is_glob(each), len(each)))
            return f"registered:{pattern}", self._registered[pattern]
        wanted = policy.handler if policy is not None else None
        if wanted is not None and wanted in self._built_in:
            return wanted, self._built_in[wanted]
        return None

    def chosen(self, name: SecretName, policy: RotationPolicy | None) -> tuple[str, RotationHandler]:
        """Return what ``find`` finds.

        Raises:
            InvalidInput: nothing; or a built-in one that takes an extra which is not installed.
        """
        found = self.find(name, policy)
        if found is not None:
            return found
        extra = self._absent.get(policy.handler or "") if policy is not None else None
        if extra is not None:
            raise InvalidInput(
                f"The handler that rotates {name!r} needs an extra that is not installed here: {to_add(extra)}.",
                field="rotation_policy",
            )
        raise InvalidInput(
            f"Nothing here knows how to rotate {name!r}: register a handler for it, or name a built-in one in its "
            "rotation policy.",
            field="rotation_policy",
        )

    def reach_of(self, name: SecretName, policy: RotationPolicy) -> Reach:
        """What a secret's policy has its handler do; of what a registered one hides, too."""
        found = self.find(name, policy)
        handlers = {*([found[1]] if found else []), *self._built_in_of(policy)}
        borrows = {option for each in handlers for option in each.borrows}
        sends = {option for each in handlers for option in each.sends}
        return Reach(
            borrowed=[policy.options[option] for option in sorted(borrows & policy.options.keys())],
            anywhere=bool((sends - borrows) & policy.options.keys()),
        )

    def _built_in_of(self, policy: RotationPolicy) -> list[RotationHandler]:
        wanted = self._built_in.get(policy.handler or "")
        return [wanted] if wanted is not None else []

    def named(self, name: str) -> RotationHandler:
        """Return one of ``names``."""
        return self._built_in.get(name) or self._registered[name.removeprefix("registered:")]

    @property
    def names(self) -> list[str]:
        """The handlers that this node could go on with."""
        return [*self._built_in, *(f"registered:{pattern}" for pattern in self._registered)]


def _check_declarations(handler: RotationHandler) -> None:
    borrows, sends = handler.borrows, handler.sends
    if isinstance(borrows, Set) and isinstance(sends, Mapping) and all(isinstance(each, str) for each in borrows):
        return
    raise InvalidInput("borrows must be a set of names of options, and sends a mapping by them.", field="handler")


def tests(handler: RotationHandler) -> bool:
    """Whether it can tell if a credential logs in."""
    return type(handler).test is not RotationHandler.test


def retires(handler: RotationHandler) -> bool:
    """Whether there is an old credential to revoke once nobody needs it."""
    return type(handler).retire is not RotationHandler.retire
