"""Who is told of an emergency, and what: at once, once each, and never the reason."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from holdfast.domain.break_glass import EmergencyPolicies, EmergencyPolicy
from holdfast.domain.policy import AccessContext
from tests.break_glass.support import (
    ANN,
    BEN,
    CAT,
    ERIN,
    REASON,
    SECRET,
    asked,
    granted,
    let_pass,
    prepare,
    with_policies,
)
from tests.support.node import Inside, opened, rows

TOLD = "SELECT recipient, facts ->> 'summary' FROM notices WHERE topic = 'break_glass' ORDER BY id"
MAIL: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "holdfast@example.com"}


async def test_all_approvers_are_told_at_once_with_the_request_itself(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path, **MAIL) as inside:
        await prepare(inside.service)
        for subject, pattern in (
            ("entra:ada@example.com", "payments-*"),
            ("bob@example.com", SECRET),
            ("carol@example.com", "other-*"),
            ("group:leads@example.com", "*"),
        ):
            await inside.service.access.assign_role(subject, "approver", pattern)
        await inside.service.access.assign_role("dora@example.com", "reader", "*")
        control = with_policies(inside, EmergencyPolicies(default=EmergencyPolicy(notify=("oncall@example.com",))))
        request = await control.request(SECRET, reason=REASON, context=ERIN)
        summary = f"erin asks for emergency access to {SECRET}"
        told = await rows(database_url, TOLD)
        assert sorted(told) == [
            (address, summary)
            for address in ("ada@example.com", "bob@example.com", "leads@example.com", "oncall@example.com")
        ]
        for who in (ANN, BEN):
            await control.approve(request.id, context=who)
        await control.revoke(request.id, context=CAT)
        assert [text for to, text in await rows(database_url, TOLD) if to == "bob@example.com"] == [
            summary,
            f"erin has emergency access to {SECRET}",
            f"Emergency access of erin to {SECRET} was revoked",
        ]
        (dump,) = await rows(database_url, "SELECT string_agg(n::text, ' ') FROM notices n")
        assert REASON not in dump[0]


async def test_ends_and_what_a_purge_made_void_are_told_once(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path, **MAIL) as inside:
        await prepare(inside.service, ANN, BEN, AccessContext(user_id="cat@example.com"))
        late, live, void = await asked(inside.service), await granted(inside.service), await asked(inside.service)
        for each in (late, live):
            await let_pass(inside, each.id, timedelta(minutes=61))
        sweep = inside.parts.break_glass.ends.sweep
        await sweep()
        await inside.service.delete_secret(SECRET)
        await inside.service.purge_secret(SECRET)
        for _ in range(2):
            await sweep()
        ends = await rows(
            database_url,
            "SELECT facts ->> 'request', facts ->> 'summary' FROM notices "
            "WHERE facts ->> 'summary' !~ 'asks|has emergency' ORDER BY id",
        )
        assert ends == [
            (str(late.id), f"Nobody decided whether erin gets emergency access to {SECRET}"),
            (str(live.id), f"Emergency access of erin to {SECRET} has ended"),
            (str(void.id), f"Emergency access of erin to {SECRET} is void"),
        ]


async def test_where_nobody_can_be_told_nothing_is_kept_for_them(inside: Inside, database_url: str) -> None:
    await granted(inside.service)
    assert await rows(database_url, TOLD) == []
