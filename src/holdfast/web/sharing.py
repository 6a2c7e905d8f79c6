"""What the requests of a server share, as each of them sees it."""

from contextlib import AbstractContextManager
from typing import Final, Protocol

SHARING: Final = "holdfast.sharing"
"""The ASGI extension under which the protocol offers it."""


class Sharing(Protocol):
    """The place of one request among all others."""

    def proven(self, identity: str) -> None:
        """Count the request, and its connection, for this identity from now on.

        Raises:
            Overloaded: that one has all it may have.
        """
        ...

    def arriving(self) -> AbstractContextManager[None]:
        """Give the place back while a body is waited for that does not come at once.

        Raises:
            Overloaded: at the end, there is no place any more, or the body was too much.
        """
        ...
