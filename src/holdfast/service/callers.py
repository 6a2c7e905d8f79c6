"""Who asks, in the forms in which the facade is told."""

from typing import TypeAlias

from holdfast.domain.policy import AccessContext, Caller, caller_of

Context: TypeAlias = AccessContext | Caller | None
"""Who asks: as an application reports it, as a surface has authenticated it, or the owning application itself."""


def authenticated(context: Context) -> Caller:
    """Return the caller that a context stands for.

    Raises:
        InvalidInput: it is no context, or its identity is malformed or reserved.
    """
    return context if isinstance(context, Caller) else caller_of(context)
