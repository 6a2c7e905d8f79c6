"""Roles, and why somebody may do something."""

from typing import Final

from holdfast.domain.roles import Role, RoleAssignment
from holdfast.v1_wire.access import (
    AssignRole,
    Explain,
    ExplanationDocument,
    Removed,
    RoleDocument,
    Simulate,
    SimulationDocument,
)
from holdfast.v1_wire.documents import Identity, Page, Pattern, Request
from holdfast.web.v1.operation import Answer, Call, Operation
from holdfast.web.v1.paging import Paged, position, sliced


class WhichRole(Request):
    """One assignment of a role."""

    subject: Identity
    role: Role
    pattern: Pattern


async def list_roles(call: Call) -> Answer:
    """A page of all roles in force."""
    after = position(call)
    found = await call.service.access.page_of_roles(
        after=_three(after) if after else None, limit=call.query.limit, context=call.caller
    )
    return sliced(call, found, RoleDocument.of, _key)


async def assign_role(call: Call) -> Answer:
    """A role in force."""
    body: AssignRole = call.body
    given = await call.service.access.assign_role(
        body.subject,
        body.role,
        body.pattern,
        expires_at=body.expires_at,
        accept_existing_credentials=body.accept_existing_credentials,
        context=call.caller,
    )
    return Answer(RoleDocument.of(given))


async def unassign_role(call: Call) -> Answer:
    """A role no more."""
    query: WhichRole = call.query
    removed = await call.service.access.unassign_role(query.subject, query.role, query.pattern, context=call.caller)
    return Answer(Removed(removed=removed))


async def explain(call: Call) -> Answer:
    """A decision with its reasons."""
    body: Explain = call.body
    found = await call.service.access.explain(
        body.name, body.user_id, body.permission, groups=body.groups, context=call.caller
    )
    return Answer(ExplanationDocument.of_explanation(found))


async def simulate(call: Call) -> Answer:
    """What a change of the rules would break."""
    body: Simulate = call.body
    changes = [each.change() for each in body.changes]
    return Answer(
        SimulationDocument.of(await call.service.access.simulate(changes, days=body.days, context=call.caller))
    )


def _key(assignment: RoleAssignment) -> str:
    return f"{assignment.subject}\0{assignment.role}\0{assignment.pattern}"


def _three(after: str) -> tuple[str, str, str]:
    subject, role, pattern = after.split("\0")
    return subject, role, pattern


OPERATIONS: Final = (
    Operation(
        id="listRoles",
        method="GET",
        path="/v1/roles",
        summary="List who has which role over what",
        needs="`grant` or `audit` on `*`",
        tag="Access",
        handle=list_roles,
        query=Paged,
        answer=Page[RoleDocument],
    ),
    Operation(
        id="assignRole",
        method="PUT",
        path="/v1/roles",
        summary="Give an identity or a group a role over a secret, or over all that a glob covers",
        needs="`grant` on the pattern, and every permission of the role",
        tag="Access",
        handle=assign_role,
        body=AssignRole,
        answer=RoleDocument,
    ),
    Operation(
        id="unassignRole",
        method="DELETE",
        path="/v1/roles",
        summary="Take back a role on exactly this name or glob",
        needs="`grant` on the pattern",
        tag="Access",
        handle=unassign_role,
        query=WhichRole,
        answer=Removed,
    ),
    Operation(
        id="explain",
        method="POST",
        path="/v1/explain",
        summary="Ask why an identity may do something to a secret now, or what the nearest rules lack",
        needs="`audit` or `grant` on the secret",
        tag="Access",
        handle=explain,
        body=Explain,
        answer=ExplanationDocument,
    ),
    Operation(
        id="simulate",
        method="POST",
        path="/v1/simulate",
        summary="Replay the requests of the last days as if the rules were others, and see what breaks",
        needs="`audit` or `grant` on `*`",
        tag="Access",
        handle=simulate,
        body=Simulate,
        answer=SimulationDocument,
    ),
)
