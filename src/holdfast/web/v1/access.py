"""Who may do what, and who did."""

from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta

from holdfast.domain.policy import Grant, Permission
from holdfast.errors import Conflict
from holdfast.ports import ClientRecord
from holdfast.v1_wire.access import (
    AddClient,
    Allowed,
    ClientDocument,
    GrantDocument,
    History,
    NewClient,
    PutGrant,
    Removed,
)
from holdfast.v1_wire.documents import Identity, Name, Page, Pattern, Request
from holdfast.web.v1.cursors import cut
from holdfast.web.v1.operation import Answer, Call, Operation
from holdfast.web.v1.paging import Paged, paged, position, sliced


class WhichGrant(Request):
    """One grant."""

    pattern: Pattern
    user_id: Identity


class Question(Request):
    """May somebody do something to a secret?"""

    name: Name
    user_id: Identity
    permission: Permission


class HowMany(Request):
    """How many records."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 50


async def list_grants(call: Call) -> Answer:
    """A page of all grants."""
    after = position(call)
    found = await call.service.access.page_of_grants(
        after=_pair(after) if after else None, limit=call.query.limit, context=call.caller
    )
    return sliced(call, found, GrantDocument.of_grant, _grant_key)


async def put_grant(call: Call) -> Answer:
    """A grant in force."""
    body: PutGrant = call.body
    given = await call.service.grant_access(
        body.pattern,
        body.user_id,
        body.permissions,
        expires_at=body.expires_at,
        accept_existing_credentials=body.accept_existing_credentials,
        context=call.caller,
    )
    return Answer(GrantDocument.of_grant(given))


async def delete_grant(call: Call) -> Answer:
    """A grant no more."""
    query: WhichGrant = call.query
    return Answer(Removed(removed=await call.service.revoke_access(query.pattern, query.user_id, context=call.caller)))


async def check(call: Call) -> Answer:
    """Yes or no."""
    query: Question = call.query
    allowed = await call.service.check_access(query.name, query.user_id, query.permission, context=call.caller)
    return Answer(Allowed(allowed=allowed))


async def history(call: Call) -> Answer:
    """The newest records of a secret."""
    query: HowMany = call.query
    return Answer(
        History.of_records(await call.service.get_access_history(call.name, query.limit, context=call.caller))
    )


async def list_clients(call: Call) -> Answer:
    """A page of all clients."""
    after = position(call)
    found = sorted(await call.service.list_clients(context=call.caller), key=_client_key)
    page, end = cut(found, call.query.limit, after, _client_key)
    return paged(call, map(ClientDocument.of, page), end)


async def add_client(call: Call) -> Answer:
    """A client and its secret."""
    body: AddClient = call.body
    secret = await call.service.add_client(body.client_id, context=call.caller)
    return Answer(NewClient(client_id=body.client_id, client_secret=secret))


async def remove_client(call: Call) -> Answer:
    """A client no more."""
    removed = await call.service.remove_client(call.path["client_id"], context=call.caller)
    return Answer(Removed(removed=removed))


def _grant_key(grant: Grant) -> str:
    return f"{grant.pattern}\0{grant.user_id}"


def _pair(after: str) -> tuple[str, str]:
    pattern, _, subject = after.partition("\0")
    return pattern, subject


def _client_key(client: ClientRecord) -> str:
    return client.client_id


OPERATIONS: Final = (
    Operation(
        id="listGrants",
        method="GET",
        path="/v1/grants",
        summary="List all grants in force",
        needs="`grant` or `audit` on `*`",
        tag="Access",
        handle=list_grants,
        query=Paged,
        answer=Page[GrantDocument],
    ),
    Operation(
        id="putGrant",
        method="PUT",
        path="/v1/grants",
        summary="Grant permissions on a secret, or on all that a glob covers",
        needs="`grant` on the pattern, and every permission that is granted",
        tag="Access",
        handle=put_grant,
        body=PutGrant,
        answer=GrantDocument,
    ),
    Operation(
        id="deleteGrant",
        method="DELETE",
        path="/v1/grants",
        summary="Take back what an identity was granted on exactly this name or glob",
        needs="`grant` on the pattern",
        tag="Access",
        handle=delete_grant,
        query=WhichGrant,
        answer=Removed,
    ),
    Operation(
        id="checkAccess",
        method="GET",
        path="/v1/check",
        summary="Ask whether an identity may do something to a secret now",
        needs="a login to ask about oneself; `grant` on the secret to ask about others",
        tag="Access",
        handle=check,
        query=Question,
        answer=Allowed,
    ),
    Operation(
        id="getHistory",
        method="GET",
        path="/v1/secrets/{name}/history",
        summary="See who did what to a secret, newest first, refusals included",
        needs="`audit` or `grant` on the secret",
        tag="Access",
        handle=history,
        query=HowMany,
        answer=History,
    ),
    Operation(
        id="listClients",
        method="GET",
        path="/v1/clients",
        summary="List the clients of the token endpoint",
        needs="`grant` on `*`",
        tag="Access",
        handle=list_clients,
        query=Paged,
        answer=Page[ClientDocument],
    ),
    Operation(
        id="addClient",
        method="POST",
        path="/v1/clients",
        summary="Make a client of the token endpoint; its secret is shown this once",
        needs="`grant` on `*`",
        tag="Access",
        handle=add_client,
        body=AddClient,
        answer=NewClient,
        status=HTTPStatus.CREATED,
        errors=(Conflict,),
    ),
    Operation(
        id="removeClient",
        method="DELETE",
        path="/v1/clients/{client_id}",
        summary="Remove a client: its tokens stop working",
        needs="`grant` on `*`",
        tag="Access",
        handle=remove_client,
        answer=Removed,
    ),
)
