"""Identities, their groups and their tokens."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType

from holdfast.errors import Conflict, IdentityNotFound, TokenNotFound
from holdfast.ports import TokenRecord
from holdfast.service.access.tokens import token_id
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.documents import Identity, Page
from holdfast.v1_wire.identities import (
    AddIdentity,
    CreateToken,
    GroupsDocument,
    IdentityDocument,
    NewIdentity,
    NewToken,
    SetGroups,
    TokenDocument,
)
from holdfast.web.v1.operation import Answer, Call, Operation
from holdfast.web.v1.paging import Paged, position, sliced


class PagedTokens(Paged):
    """Which page, and whose tokens; without an identity, everybody's."""

    identity: Identity | UnsetType = UNSET


async def list_identities(call: Call) -> Answer:
    """A page of identities."""
    found = await call.service.identities.page(after=position(call), limit=call.query.limit, context=call.caller)
    return sliced(call, found, IdentityDocument.of, lambda each: each.name)


async def add_identity(call: Call) -> Answer:
    """An identity that can do nothing yet."""
    body: AddIdentity = call.body
    await call.service.identities.add(body.name, body.kind, context=call.caller)
    return Answer(NewIdentity(name=body.name, kind=body.kind))


async def disable_identity(call: Call) -> Answer:
    """An identity that proves nothing."""
    await call.service.identities.disable(call.path["identity"], context=call.caller)
    return Answer()


async def enable_identity(call: Call) -> Answer:
    """An identity that proves itself again."""
    await call.service.identities.enable(call.path["identity"], context=call.caller)
    return Answer()


async def remove_identity(call: Call) -> Answer:
    """An identity no more."""
    return Answer(Removed(removed=await call.service.identities.remove(call.path["identity"], context=call.caller)))


async def set_groups(call: Call) -> Answer:
    """The groups it is in."""
    body: SetGroups = call.body
    groups = await call.service.identities.set_groups(
        call.path["identity"],
        body.groups,
        accept_existing_credentials=body.accept_existing_credentials,
        context=call.caller,
    )
    return Answer(GroupsDocument(groups=sorted(groups)))


async def list_tokens(call: Call) -> Answer:
    """A page of tokens, oldest first."""
    identity = None if call.query.identity is UNSET else call.query.identity
    after = position(call, identity or "")
    found = await call.service.tokens.page(
        identity, after=_parsed(after) if after else None, limit=call.query.limit, context=call.caller
    )
    return sliced(call, found, TokenDocument.of_token, _moment, identity or "")


async def create_token(call: Call) -> Answer:
    """A token, shown this once."""
    body: CreateToken = call.body
    new = await call.service.tokens.create(
        body.identity,
        lifetime=timedelta(seconds=body.lifetime_s),
        max_lifetime=timedelta(seconds=body.max_lifetime_s),
        networks=body.networks or (),
        description=body.description,
        context=call.caller,
    )
    return Answer(NewToken(token=new.token, record=TokenDocument.of_token(new.record)))


async def renew_token(call: Call) -> Answer:
    """A token that lives for longer."""
    return Answer(TokenDocument.of_token(await call.service.tokens.renew(_id(call), context=call.caller)))


async def revoke_token(call: Call) -> Answer:
    """A token no more."""
    return Answer(Removed(removed=await call.service.tokens.revoke(_id(call), context=call.caller)))


def _id(call: Call) -> UUID:
    return token_id(call.path["token_id"])


def _moment(token: TokenRecord) -> str:
    return f"{token.created_at.isoformat()} {token.id}"


def _parsed(after: str) -> tuple[datetime, UUID]:
    moment, _, token = after.rpartition(" ")
    return datetime.fromisoformat(moment), UUID(token)


_IDENTITIES, _TOKENS = "Identities", "Tokens"
_EVERYTHING: Final = "`grant` on `*`"

OPERATIONS: Final = (
    Operation(
        id="listIdentities",
        method="GET",
        path="/v1/identities",
        summary="List identities, without what they prove themselves with",
        needs=_EVERYTHING,
        tag=_IDENTITIES,
        handle=list_identities,
        query=Paged,
        answer=Page[IdentityDocument],
    ),
    Operation(
        id="addIdentity",
        method="POST",
        path="/v1/identities",
        summary="Make an identity; it holds no credential and no permission yet",
        needs=_EVERYTHING,
        tag=_IDENTITIES,
        handle=add_identity,
        body=AddIdentity,
        answer=NewIdentity,
        status=HTTPStatus.CREATED,
        errors=(Conflict,),
    ),
    Operation(
        id="removeIdentity",
        method="DELETE",
        path="/v1/identities/{identity}",
        summary="Remove an identity for good, with its credentials, groups and grants",
        needs=_EVERYTHING,
        tag=_IDENTITIES,
        handle=remove_identity,
        answer=Removed,
        errors=(Conflict,),
    ),
    Operation(
        id="disableIdentity",
        method="POST",
        path="/v1/identities/{identity}/disable",
        summary="Stop all credentials of an identity, on every node within a second",
        needs=_EVERYTHING,
        tag=_IDENTITIES,
        handle=disable_identity,
        status=HTTPStatus.NO_CONTENT,
        errors=(IdentityNotFound, Conflict),
    ),
    Operation(
        id="enableIdentity",
        method="POST",
        path="/v1/identities/{identity}/enable",
        summary="Let the credentials of a disabled identity work again",
        needs=f"{_EVERYTHING}, and all that the identity holds",
        tag=_IDENTITIES,
        handle=enable_identity,
        status=HTTPStatus.NO_CONTENT,
        errors=(IdentityNotFound, Conflict),
    ),
    Operation(
        id="setGroups",
        method="PUT",
        path="/v1/identities/{identity}/groups",
        summary="Make an identity a member of exactly these groups",
        needs=f"{_EVERYTHING}, and all that members of a joined group hold",
        tag=_IDENTITIES,
        handle=set_groups,
        body=SetGroups,
        answer=GroupsDocument,
        errors=(IdentityNotFound, Conflict),
    ),
    Operation(
        id="listTokens",
        method="GET",
        path="/v1/tokens",
        summary="List tokens, oldest first, without the tokens themselves",
        needs=f"a login for one's own; {_EVERYTHING} for all others",
        tag=_TOKENS,
        handle=list_tokens,
        query=PagedTokens,
        answer=Page[TokenDocument],
    ),
    Operation(
        id="createToken",
        method="POST",
        path="/v1/tokens",
        summary="Make a token of an identity; it is shown this once",
        needs=f"{_EVERYTHING}, and all that the identity holds",
        tag=_TOKENS,
        handle=create_token,
        body=CreateToken,
        answer=NewToken,
        status=HTTPStatus.CREATED,
        errors=(IdentityNotFound, Conflict),
    ),
    Operation(
        id="renewToken",
        method="POST",
        path="/v1/tokens/{token_id}/renew",
        summary="Let a token live for its time from now, at most up to its very end",
        needs=f"the token itself; otherwise {_EVERYTHING}, and all that the identity holds",
        tag=_TOKENS,
        handle=renew_token,
        answer=TokenDocument,
        errors=(TokenNotFound, Conflict),
    ),
    Operation(
        id="revokeToken",
        method="DELETE",
        path="/v1/tokens/{token_id}",
        summary="End a token at once, on every node within a second",
        needs=f"a login for one's own; {_EVERYTHING} for all others",
        tag=_TOKENS,
        handle=revoke_token,
        answer=Removed,
        errors=(TokenNotFound,),
    ),
)
