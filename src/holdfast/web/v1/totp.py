"""Second factors."""

from http import HTTPStatus
from typing import Final

from holdfast.errors import Conflict, IdentityNotFound, Throttled
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.totp import EnrolmentDocument, EnrolTotp, TotpCode
from holdfast.web.v1.operation import Answer, Call, Operation


async def enrol(call: Call) -> Answer:
    """What the app reads."""
    body: EnrolTotp = call.body
    made = await call.service.identities.totp.enrol(body.identity, context=call.caller)
    return Answer(EnrolmentDocument(identity=made.identity, uri=made.uri))


async def confirm(call: Call) -> Answer:
    """The second factor counts from now on."""
    body: TotpCode = call.body
    await call.service.identities.totp.confirm(body.code, context=call.caller)
    return Answer()


async def verify(call: Call) -> Answer:
    """The caller has it at hand."""
    body: TotpCode = call.body
    await call.service.identities.totp.verify(body.code, context=call.caller)
    return Answer()


async def remove(call: Call) -> Answer:
    """No second factor any more."""
    removed = await call.service.identities.totp.remove(call.path["identity"], context=call.caller)
    return Answer(Removed(removed=removed))


_OWN: Final = "a login; one's own second factor"
_OTHERS: Final = "`grant` on `*`, and all that the identity holds"
_TAG: Final = "Second factor"

OPERATIONS: Final = (
    Operation(
        id="enrolTotp",
        method="POST",
        path="/v1/totp:enrol",
        summary="Make the secret that an app makes codes from; a first code has to confirm it",
        needs=f"a login for one's own; {_OTHERS} for another identity's",
        tag=_TAG,
        handle=enrol,
        body=EnrolTotp,
        answer=EnrolmentDocument,
        status=HTTPStatus.CREATED,
        errors=(Conflict, IdentityNotFound),
    ),
    Operation(
        id="confirmTotp",
        method="POST",
        path="/v1/totp:confirm",
        summary="Show by a first code that the app has the secret",
        needs=_OWN,
        tag=_TAG,
        handle=confirm,
        body=TotpCode,
        status=HTTPStatus.NO_CONTENT,
        errors=(Throttled,),
    ),
    Operation(
        id="verifyTotp",
        method="POST",
        path="/v1/totp:verify",
        summary="Show that the second factor is at hand; a code is good once",
        needs=_OWN,
        tag=_TAG,
        handle=verify,
        body=TotpCode,
        status=HTTPStatus.NO_CONTENT,
        errors=(Throttled,),
    ),
    Operation(
        id="removeTotp",
        method="DELETE",
        path="/v1/identities/{identity}/totp",
        summary="Forget the second factor of an identity whose app is lost",
        needs=_OTHERS,
        tag=_TAG,
        handle=remove,
        answer=Removed,
        errors=(IdentityNotFound,),
    ),
)
