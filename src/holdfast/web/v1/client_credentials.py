"""What clients show the token endpoint instead of a secret."""

from http import HTTPStatus
from typing import Final

from holdfast.errors import Conflict
from holdfast.ports import CredentialRecord
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.client_credentials import CertifyClient, CredentialDocument, FederateClient
from holdfast.v1_wire.documents import Page
from holdfast.web.v1.cursors import cut
from holdfast.web.v1.operation import Answer, Call, Operation
from holdfast.web.v1.paging import Paged, paged, position


async def list_credentials(call: Call) -> Answer:
    """A page of a client's credentials."""
    after = position(call)
    found = await call.service.client_credentials.list(call.path["client_id"], context=call.caller)
    page, end = cut(found, call.query.limit, after, _key)
    return paged(call, map(_document, page), end)


async def federate(call: Call) -> Answer:
    """A federated credential."""
    body: FederateClient = call.body
    made = await call.service.client_credentials.federate(
        call.path["client_id"],
        name=body.name,
        issuer=body.issuer,
        subject=body.subject,
        audience=body.audience,
        context=call.caller,
    )
    return Answer(_document(made))


async def certify(call: Call) -> Answer:
    """A certificate."""
    body: CertifyClient = call.body
    made = await call.service.client_credentials.certify(
        call.path["client_id"], name=body.name, certificate=body.certificate, context=call.caller
    )
    return Answer(_document(made))


async def remove(call: Call) -> Answer:
    """A credential no more."""
    removed = await call.service.client_credentials.remove(
        call.path["client_id"], call.path["credential"], context=call.caller
    )
    return Answer(Removed(removed=removed))


def _document(record: CredentialRecord) -> CredentialDocument:
    return CredentialDocument.of_credential(record.credential, record)


def _key(record: CredentialRecord) -> str:
    return record.credential.name


_EVERYTHING: Final = "`grant` on `*`"
_TAG: Final = "Access"

OPERATIONS: Final = (
    Operation(
        id="listClientCredentials",
        method="GET",
        path="/v1/clients/{client_id}/credentials",
        summary="List what a client shows the token endpoint instead of a secret",
        needs=_EVERYTHING,
        tag=_TAG,
        handle=list_credentials,
        query=Paged,
        answer=Page[CredentialDocument],
    ),
    Operation(
        id="federateClient",
        method="POST",
        path="/v1/clients/{client_id}/credentials:federate",
        summary="Let tokens of a trusted issuer with exactly these claims log in as a client",
        needs=f"{_EVERYTHING}, and all that the identity holds",
        tag=_TAG,
        handle=federate,
        body=FederateClient,
        answer=CredentialDocument,
        status=HTTPStatus.CREATED,
        errors=(Conflict,),
    ),
    Operation(
        id="certifyClient",
        method="POST",
        path="/v1/clients/{client_id}/credentials:certify",
        summary="Let assertions that a certificate's key signed log in as a client",
        needs=f"{_EVERYTHING}, and all that the identity holds",
        tag=_TAG,
        handle=certify,
        body=CertifyClient,
        answer=CredentialDocument,
        status=HTTPStatus.CREATED,
        errors=(Conflict,),
    ),
    Operation(
        id="removeClientCredential",
        method="DELETE",
        path="/v1/clients/{client_id}/credentials/{credential}",
        summary="Remove a credential of a client: the tokens that it got stop working",
        needs=_EVERYTHING,
        tag=_TAG,
        handle=remove,
        answer=Removed,
    ),
)
