"""People of an emergency, and what the database keeps of it."""

from datetime import timedelta
from typing import Any

from holdfast.bootstrap.break_glass import open_break_glass
from holdfast.domain.break_glass import EmergencyPolicies, EmergencyRequest
from holdfast.domain.policy import AccessContext
from holdfast.ports import RuleKind, request_facts
from holdfast.service.break_glass.control import BreakGlass
from holdfast.service.manager import SecretsService
from tests.support.node import Inside, rows

SECRET = "payments-db"
VALUE = "c4n4ry-payments-value"
REASON = "Payments fail since 02:10, the pool cannot log in"

ERIN = AccessContext(user_id="erin", ip_address="10.0.0.9", user_agent="laptop/1.0")
"""Has an emergency, and no rule at all."""

ANN, BEN, CAT = (AccessContext(user_id=name) for name in ("ann", "ben", "cat"))
"""Approvers."""

GRANTS = "SELECT to_jsonb(t)::text FROM {} t ORDER BY 1"
RULES = ("secret_access_control", "role_assignments", "identities", "api_tokens")


async def prepare(service: SecretsService, *approvers: AccessContext) -> None:
    """A secret, and approvers over all there is."""
    await service.set_secret(SECRET, VALUE)
    for each in approvers or (ANN, BEN, CAT):
        await service.access.assign_role(each.user_id, "approver", "*")


async def asked(
    service: SecretsService, name: str = SECRET, *, who: AccessContext = ERIN, **more: Any
) -> EmergencyRequest:
    """A request that waits."""
    return await service.break_glass.request(name, reason=REASON, context=who, **more)


async def granted(
    service: SecretsService, name: str = SECRET, *, who: AccessContext = ERIN, **more: Any
) -> EmergencyRequest:
    """A request that Ann and Ben have agreed to."""
    request = await asked(service, name, who=who, **more)
    await service.break_glass.approve(request.id, context=ANN)
    return await service.break_glass.approve(request.id, context=BEN)


def with_policies(inside: Inside, policies: EmergencyPolicies) -> BreakGlass:
    """Emergency access of a node as it is with other policies than its settings name."""
    parts = inside.parts
    return open_break_glass(
        inside.database,
        policies,
        sealer=parts.sealer,
        clock=parts.clock,
        guard=parts.guard,
        book=parts.book,
        directory=parts.directory,
        factors=parts.identities.identities.totp,
        notifier=parts.notices.notifier,
        rules_changed=parts.coherence.rules_changed,
    ).control


async def other_rules(dsn: str) -> list[tuple[Any, ...]]:
    """All rules and identities but emergency access, byte for byte."""
    return [row for table in RULES for row in await rows(dsn, GRANTS.format(table))]


async def let_pass(inside: Inside, request_id: int, time: timedelta) -> None:
    """Make a request, and its grant, older by so much, as if nobody had touched them since; genuine all the same."""
    async with inside.database.connection() as connection:
        await connection.execute(
            "UPDATE break_glass_requests SET requested_at = requested_at - $2::interval, "
            "open_until = open_until - $2::interval, decided_at = decided_at - $2::interval, "
            "expires_at = expires_at - $2::interval, ended_at = ended_at - $2::interval WHERE id = $1",
            request_id,
            time,
        )
        found = await inside.parts.break_glass.store.find(request_id)
        assert found is not None
        await connection.execute(
            "UPDATE break_glass_requests SET attestation = $2 WHERE id = $1 AND attestation <> ''",
            request_id,
            inside.parts.sealer.attest(request_facts(found)),
        )
        await connection.execute(
            "UPDATE break_glass_grants SET granted_at = granted_at - $2::interval, "
            "expires_at = expires_at - $2::interval WHERE id = $1",
            request_id,
            time,
        )
        for rule in (await inside.parts.grants.rules())[1]:
            if rule.kind is RuleKind.BREAK_GLASS and rule.id == request_id:
                await connection.execute(
                    "UPDATE break_glass_grants SET attestation = $2 WHERE id = $1",
                    request_id,
                    inside.parts.sealer.attest(rule.facts()),
                )
        await connection.execute("UPDATE access_epoch SET epoch = epoch + 1")
    await inside.parts.book.load()
