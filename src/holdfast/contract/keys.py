"""Encryption keys, by their ids: no key is ever in a request or an answer."""

from typing import Annotated, Final, Self

from msgspec import Meta
from msgspec.structs import replace

from holdfast.contract.row import Asked, Context, Facade, Http, Nothing, Row
from holdfast.domain.keys import KeyReport, RewrapReport
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_key_id
from holdfast.errors import Conflict


class WhichKey(Asked):
    """The fingerprint of a key; never the key itself."""

    key_id: Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{16}$"})]

    def checked(self) -> Self:
        """See that it is a fingerprint."""
        return replace(self, key_id=valid_key_id(self.key_id))


_TAG: Final = "Installation"
_OPERATE: Final = (Permission.OPERATE,)
_DOCUMENT: Final = "EncryptionKeysDocument"

STATUS: Final[Row[Nothing, KeyReport]] = Row(
    record="keys.status",
    needs=_OPERATE,
    request=Nothing,
    answer=KeyReport,
    http=Http(
        id="getKeys",
        method="GET",
        path="/v1/keys",
        tag=_TAG,
        summary="See the encryption keys by id: which one seals, which nodes lack one, what is sealed under each",
        document=_DOCUMENT,
    ),
)
ACTIVATE: Final[Row[WhichKey, KeyReport]] = Row(
    record="keys.activate",
    needs=_OPERATE,
    request=WhichKey,
    answer=KeyReport,
    http=Http(
        id="activateKey",
        method="POST",
        path="/v1/keys:activate",
        tag=_TAG,
        summary="Let a key that all nodes hold seal from now on",
        document=_DOCUMENT,
        errors=(Conflict,),
    ),
)
REWRAP: Final[Row[Nothing, RewrapReport]] = Row(
    record="keys.rewrap",
    needs=_OPERATE,
    request=Nothing,
    answer=RewrapReport,
    noted=lambda report: {"detail": f"renewed={report.renewed} remaining={report.remaining}"},
    http=Http(
        id="rewrapKeys",
        method="POST",
        path="/v1/keys:rewrap",
        tag=_TAG,
        summary="Put rows under the active key, for some seconds at most; call it until nothing remains",
        document="RewrapDocument",
    ),
)
RETIRE: Final[Row[WhichKey, KeyReport]] = Row(
    record="keys.retire",
    needs=_OPERATE,
    request=WhichKey,
    answer=KeyReport,
    http=Http(
        id="retireKey",
        method="POST",
        path="/v1/keys:retire",
        tag=_TAG,
        summary="Forget a key that nothing is sealed under any more",
        document=_DOCUMENT,
        errors=(Conflict,),
    ),
)
ROWS: Final = (STATUS, ACTIVATE, REWRAP, RETIRE)


class Keys(Facade):
    """The encryption keys: which there are, and which one seals. It takes the permission ``operate`` on '*'."""

    async def status(self, *, context: Context = None) -> KeyReport:
        """Return every key: where it stands, which nodes lack it, how often it sealed, what is sealed under it."""
        return await self._run(STATUS, Nothing(), context)

    async def activate(self, key_id: str, *, context: Context = None) -> KeyReport:
        """Let a key seal from now on, on every node within a second; the one before only opens what it sealed.

        Raises:
            Conflict: this node or another one that runs does not hold it, or it is retired.
        """
        return await self._run(ACTIVATE, WhichKey(key_id=key_id), context)

    async def rewrap(self, *, context: Context = None) -> RewrapReport:
        """Put rows under the active key, for some seconds at most: call it until nothing remains.

        Each batch is a transaction of its own, so whatever ends this loses nothing; as long as a batch takes, it rests.
        """
        return await self._run(REWRAP, Nothing(), context)

    async def retire(self, key_id: str, *, context: Context = None) -> KeyReport:
        """Forget a key under which nothing is sealed any more: nodes start without it, and nothing seals under it.

        Every row there is is counted before.

        Raises:
            Conflict: it seals, a node seals under it still, rows are sealed under it, or it is not known.
        """
        return await self._run(RETIRE, WhichKey(key_id=key_id), context)
