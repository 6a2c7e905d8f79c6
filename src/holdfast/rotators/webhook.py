"""``webhook``: a receiver of yours takes the steps; each is told to it in a signed message (Standard Webhooks)."""

import json
import time
from collections.abc import Collection, Mapping, Set
from typing import ClassVar, Final
from urllib.parse import urlsplit
from uuid import uuid4

from holdfast.errors import InvalidInput, RotationFailed
from holdfast.outbound.posting import NoAnswerError, post
from holdfast.outbound.signature import signature, signing_key
from holdfast.outbound.targets import named
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import ReadSecret, known
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value

_ALLOWING: Final = "Origins are allowed by name in HOLDFAST_WEBHOOK_TARGETS."


class Webhook(RotationHandler):
    """The candidate is made here; ``apply``, ``test`` and ``retire`` are messages, which any answer of 2xx confirms.

    Options: ``url``, and ``signing_secret``, the secret that holds the key the messages are signed with (``whsec_…``);
    besides, those of ``random``. A repeated message has the same ``webhook-id``, unless it asks for a test.

    Args:
        read_secret: gives out the key.
        allowed: the origins that may be called; there are no others, as each is handed credentials.
    """

    borrows: ClassVar[Set[str]] = frozenset({"signing_secret"})
    sends: ClassVar[Mapping[str, str]] = {"url": "the candidate, and the old one when it is retired"}

    def __init__(self, read_secret: ReadSecret, allowed: Collection[str] = ()) -> None:
        self._read_secret, self._allowed = read_secret, frozenset(allowed)

    async def create(self, rotation: Rotation) -> str:
        """Draw a value."""
        await self._prepared(rotation)
        return random_value(rotation.options)

    async def apply(self, rotation: Rotation) -> None:
        """Have the candidate accepted."""
        await self._tell(rotation, "apply", rotation.candidate)

    async def test(self, rotation: Rotation) -> None:
        """Have the candidate tried."""
        await self._tell(rotation, "test", rotation.candidate, again=True)

    async def retire(self, rotation: Rotation) -> None:
        """Have the old credential refused."""
        await self._tell(rotation, "retire", rotation.current)

    async def _prepared(self, rotation: Rotation) -> tuple[str, bytes]:
        known(rotation.options, required={"url", "signing_secret"}, optional=RANDOM_OPTIONS)
        url = rotation.options["url"]
        try:
            named(url, self._allowed)
        except ValueError as error:
            raise _refused("url", f"The rotation option 'url' {error}. {_ALLOWING}") from None
        try:
            return url, signing_key(await self._read_secret(rotation.options["signing_secret"]))
        except ValueError as error:
            raise _refused("signing_secret", f"The secret that 'signing_secret' names {error}") from None

    async def _tell(self, rotation: Rotation, step: str, credential: str, *, again: bool = False) -> None:
        url, key = await self._prepared(rotation)
        message = f"{rotation.run_id}.{uuid4() if again else step}"
        data = {"secret": str(rotation.name), "run": str(rotation.run_id), "fence": rotation.fence}
        body = json.dumps({"type": f"rotation.{step}", "data": {**data, "credential": credential}}).encode()
        headers = {"content-type": "application/json", **signature(key, message, int(time.time()), body)}
        try:
            status = await post(url, body, headers, self._allowed)
        except NoAnswerError as error:
            raise RotationFailed(f"The webhook at {error}") from None
        if not 200 <= status < 300:
            host = urlsplit(url).hostname
            raise RotationFailed(f"The webhook at {host} answered {status}, not 2xx; redirects are refused.")


def _refused(option: str, text: str) -> InvalidInput:
    return InvalidInput(text, field=f"rotation_policy.options.{option}")
