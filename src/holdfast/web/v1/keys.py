"""Encryption keys: which there are, and which one seals."""

from typing import Final

from holdfast.errors import Conflict
from holdfast.v1_wire.keys import EncryptionKeysDocument, RewrapDocument, WhichKey
from holdfast.web.v1.operation import Answer, Call, Operation


async def status(call: Call) -> Answer:
    """Every key."""
    return Answer(EncryptionKeysDocument.of(await call.service.keys.status(context=call.caller)))


async def activate(call: Call) -> Answer:
    """Every key, after another one has begun to seal."""
    body: WhichKey = call.body
    return Answer(EncryptionKeysDocument.of(await call.service.keys.activate(body.key_id, context=call.caller)))


async def rewrap(call: Call) -> Answer:
    """Some seconds' worth of rows."""
    return Answer(RewrapDocument.of(await call.service.keys.rewrap(context=call.caller)))


async def retire(call: Call) -> Answer:
    """Every key, without one that nothing needs any more."""
    body: WhichKey = call.body
    return Answer(EncryptionKeysDocument.of(await call.service.keys.retire(body.key_id, context=call.caller)))


_TAG: Final = "Installation"
_NEEDS: Final = "`operate` on `*`"

OPERATIONS: Final = (
    Operation(
        id="getKeys",
        method="GET",
        path="/v1/keys",
        summary="See the encryption keys by id: which one seals, which nodes lack one, what is sealed under each",
        needs=_NEEDS,
        tag=_TAG,
        handle=status,
        answer=EncryptionKeysDocument,
    ),
    Operation(
        id="activateKey",
        method="POST",
        path="/v1/keys:activate",
        summary="Let a key that all nodes hold seal from now on",
        needs=_NEEDS,
        tag=_TAG,
        handle=activate,
        body=WhichKey,
        answer=EncryptionKeysDocument,
        errors=(Conflict,),
    ),
    Operation(
        id="rewrapKeys",
        method="POST",
        path="/v1/keys:rewrap",
        summary="Put rows under the active key, for some seconds at most; call it until nothing remains",
        needs=_NEEDS,
        tag=_TAG,
        handle=rewrap,
        answer=RewrapDocument,
    ),
    Operation(
        id="retireKey",
        method="POST",
        path="/v1/keys:retire",
        summary="Forget a key that nothing is sealed under any more",
        needs=_NEEDS,
        tag=_TAG,
        handle=retire,
        body=WhichKey,
        answer=EncryptionKeysDocument,
        errors=(Conflict,),
    ),
)
