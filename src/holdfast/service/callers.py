"""Who asks, in the forms in which the facade is told."""

from holdfast.contract.row import Context as Context  # noqa: PLC0414 - the facade's methods name it from here
from holdfast.domain.policy import Caller, caller_of


def authenticated(context: Context) -> Caller:
    """Return the caller that a context stands for.

    Raises:
        InvalidInput: it is no context, or its identity is malformed or reserved.
    """
    return context if isinstance(context, Caller) else caller_of(context)
