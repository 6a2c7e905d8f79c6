"""What is posted to a receiver: with which id, signed how, and what its answers mean."""

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.domain.notices import Notice
from holdfast.errors import BackendUnavailable, Rejected, Throttled
from holdfast.notify.messages import Composer
from holdfast.outbound.posting import NoAnswerError, post
from holdfast.outbound.signature import signature

_TRY_AGAIN: Final = frozenset({401, 408, 409, 425, 429})
"""Refusals that time or an operator over there may mend: 401 while a key is exchanged, for example."""

_JSON: Final = {"content-type": "application/json"}

Body = Callable[[Composer, str, Sequence[Notice]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Implements ``ports.Channel`` for a receiver of JSON.

    ``body``: makes the document. ``key``: what messages are signed with, as Standard Webhooks has it; None: the address
    itself is the credential. ``allowed``: origins that may be called although they are private.
    """

    url: str = field(repr=False)
    body: Body
    composer: Composer
    key: bytes | None = field(default=None, repr=False)
    allowed: Collection[str] = ()
    ca_file: Path | None = None

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        """See the port."""
        data = json.dumps(self.body(self.composer, recipient, notices)).encode()
        signed = signature(self.key, self._id(recipient, notices), int(time.time()), data) if self.key else {}
        try:
            status = await post(self.url, data, {**_JSON, **signed}, self.allowed, ca_file=self.ca_file)
        except NoAnswerError as error:
            raise BackendUnavailable(str(error)) from None
        except ValueError as error:
            raise Rejected(f"The address of {recipient} {error}.") from None
        _check(status, urlsplit(self.url).hostname)

    def _id(self, recipient: str, notices: Sequence[Notice]) -> str:
        return f"msg_{self.composer.id_of(recipient, notices).hex}"


def _check(status: int, host: str | None) -> None:
    if 200 <= status < 300:
        return
    answered = f"{host} answered {status}, not 2xx"
    if status == 429:
        raise Throttled(f"{answered}.")
    if status >= 500 or status in _TRY_AGAIN:
        raise BackendUnavailable(f"{answered}.")
    raise Rejected(f"{answered}; redirects are refused." if 300 <= status < 400 else f"{answered}.")
