"""What a node reads of its own change, once that is committed."""

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.errors import BackendUnavailable, OutcomeUnknown


@contextmanager
def read_back() -> Iterator[None]:
    """Let no one be told that a change was not made because PostgreSQL is silent after its commit.

    Raises:
        OutcomeUnknown: it cannot be read back; this node learns of it with the next sign of life, as others do.
    """
    try:
        yield
    except OutcomeUnknown:
        raise
    except BackendUnavailable as error:
        raise OutcomeUnknown(
            "The change was committed, and PostgreSQL has not answered this node since: read before you repeat it."
        ) from error
