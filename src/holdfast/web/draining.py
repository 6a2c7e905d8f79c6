"""The last seconds of a server: it tells load balancers to look elsewhere, and sends its clients there one by one."""

from dataclasses import dataclass
from datetime import timedelta

from holdfast.errors import BackendUnavailable


class Draining(BackendUnavailable):
    """This node is about to stop; others answer."""

    code = "draining"


@dataclass(slots=True)
class Drain:
    """Whether a server is draining. ``patience``: how long it still answers once it has begun to.

    While it drains, ``/readyz`` says 503 and every answer closes its connection, so that the next request of that
    client goes to another node. What is connected and silent when the patience is over is closed.
    """

    patience: timedelta = timedelta()
    begun: bool = False

    def check(self) -> None:
        """See that new clients are welcome.

        Raises:
            Draining: they should go elsewhere.
        """
        if self.begun:
            raise Draining("This node is stopping; ask another one.")
