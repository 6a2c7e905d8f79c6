"""What the requests of a server share, as each of them sees it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

SHARING: Final = "holdfast.sharing"
"""The ASGI extension under which the protocol offers it."""


class Sharing(NamedTuple):
    """The place of one request among all others.

    ``proven`` counts the request, and its connection, for an identity from now on. ``arriving`` gives the place back
    while a body is waited for that does not come at once. Both raise Overloaded: there is no place any more.
    ``sending`` notes the bytes of an answer that its client has to take.
    """

    proven: Callable[[str], None]
    arriving: Callable[[], AbstractContextManager[None]]
    sending: Callable[[int], None]


def _nothing(_: object) -> None:
    """No one shares anything."""


ALONE: Final = Sharing(proven=_nothing, arriving=nullcontext, sending=_nothing)
"""For a request whose server shares out nothing."""
