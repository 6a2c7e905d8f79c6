"""Evidence about access: who is known, how they prove it, what they hold, and what was refused them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from holdfast.domain.compliance import MAX_ROWS, Evidence
from holdfast.service.compliance.scope import Scope, age, day, joined, more, share, table

_CHANGES: Final = ("set", "update", "rollback", "delete", "recover", "purge", "restore", "rotate")
_UNKNOWN: Final = "Held by groups none of whose members are registered here, so that their use is not known"
MAX_HELD: Final = 10_000
"""Grants and roles that are looked at."""

_RULES: Final = ("grant", "revoke", "role.assign", "role.unassign")
_LISTING: Final = ".list"


async def access(scope: Scope, ignored: Callable[[], int]) -> Evidence:
    """Who holds what, since when, and when it was last used; what was not used comes first.

    ``ignored`` counts the rows among them that Holdfast did not make, so that they give nothing.
    """
    forged = ignored()
    found = await scope.ask("held", scope.since, scope.records, MAX_HELD)
    needless = sum(row["granted_at"] < scope.since for row in found if _unused(row, scope))
    shown = sorted(found, key=lambda row: (row["last_used"] is not None, row["subject"], row["pattern"]))
    return Evidence(
        id="access",
        title="Who holds what",
        source="held",
        statement=_holdings(found, scope),
        attention=joined(
            f"Grants and roles unused for {scope.days} days, to be taken away: {needless:,}." if needless else "",
            f"Rows among them that Holdfast did not make, and that give nothing: {forged:,}." if forged else "",
        ),
        columns=("Who", "Holds", "On", "Granted by", "Since", "Until", "Last used"),
        rows=table(map(_held, shown)),
        more=more(len(found)),
    )


def _holdings(found: Sequence[Mapping[str, Any]], scope: Scope) -> str:
    broad, ending = sum(r["pattern"] == "*" for r in found), sum(r["expires_at"] is not None for r in found)
    unknown = sum(row["last_used"] is None and not row["members_known"] for row in found)
    return joined(
        f"There are more than are looked at, which are {MAX_HELD:,}." if len(found) == MAX_HELD else "",
        f"Grants and roles in force: {len(found):,}, held by {len({row['subject'] for row in found}):,}. "
        f"With an end: {ending:,}. Over every secret: {broad:,}. Not used in the last {scope.days} days, as far "
        f"as the newest {scope.records:,} audit records tell: {sum(_unused(row, scope) for row in found):,}.",
        f"{_UNKNOWN}: {unknown:,}." if unknown else "",
    )


def _unused(row: Mapping[str, Any], scope: Scope) -> bool:
    if row["last_used"] is None:
        return bool(row["members_known"])
    return bool(row["last_used"] < scope.since)


def _held(row: Mapping[str, Any]) -> Sequence[object]:
    until = row["expires_at"] or "no end"
    return (
        *(row["subject"], row["terms"], row["pattern"], row["granted_by"], row["granted_at"], until),
        row["last_used"] or ("not used" if row["members_known"] else "not known"),
    )


async def identities(scope: Scope) -> Evidence:
    """Who is known."""
    row = await scope.one("identities")
    return Evidence(
        id="identities",
        title="Identities",
        source="identities",
        statement=f"Identities registered, each under a name of its own: {row['all_of_them']:,}. People: "
        f"{row['people']:,}; applications: {row['all_of_them'] - row['people']:,}. Disabled: {row['disabled']:,}. "
        f"With a client secret: {row['clients']:,}. By assertions: {row['asserting']:,}.",
    )


async def second_factor(scope: Scope) -> Evidence:
    """How many people need more than a token."""
    row, found = await scope.one("identities"), await scope.ask("without_second_factor", MAX_ROWS)
    without = row["active_people"] - row["with_second_factor"]
    return Evidence(
        id="second-factor",
        title="Second factor",
        source="identities, without_second_factor",
        statement="People registered here who have confirmed a second factor (TOTP): "
        f"{share(row['with_second_factor'], row['active_people'])}. Emergency access may ask for it; a token is good "
        "without.",
        attention=f"People without one: {without:,}." if without else "",
        columns=("Without a second factor", "Since"),
        rows=table((each["name"], each["created_at"]) for each in found),
        more=more(without),
    )


async def tokens(scope: Scope) -> Evidence:
    """What programs and people prove themselves with."""
    row = await scope.one("tokens", scope.since)
    return Evidence(
        id="tokens",
        title="Tokens",
        source="tokens",
        statement=joined(
            f"Tokens that are good now, kept as hashes: {row['good']:,}. Never used: {row['never_used']:,}; not in the "
            f"last {scope.days} days: {row['unused']:,}. Good from any network: {row['from_anywhere']:,}.",
            f"All end by {day(row['last_end'])}." if row["good"] else "",
        ),
        attention=f"Tokens unused for {scope.days} days, to be revoked: {row['idle']:,}." if row["idle"] else "",
    )


async def refusals(scope: Scope) -> Evidence:
    """What was refused, or failed, to whom."""
    groups = await scope.ask("recent", scope.since, scope.records)
    found = await scope.ask("refused", scope.since, scope.records, MAX_ROWS)
    failed = sum(row["records"] for row in groups if not row["success"])
    logins = sum(row["records"] for row in groups if not row["success"] and row["operation"] == "login")
    return Evidence(
        id="refusals",
        title="Failed accesses",
        source="recent, refused",
        statement=f"{_looked_at(groups, scope)}. Failed or refused: {failed:,}, logins among them: {logins:,}. Each is "
        "on record with who, what, when and from where.",
        columns=("Who", "Why", "How often", "Last"),
        rows=table((row["user_id"], row["error_code"], row["records"], row["newest"]) for row in found),
    )


async def changes(scope: Scope) -> Evidence:
    """What was changed, and by how many."""
    groups = await scope.ask("recent", scope.since, scope.records)
    done = [row for row in groups if row["success"]]
    kinds = (*_CHANGES, *_RULES, "identity.", "token.", "client.")
    shown = [each for each in done if each["operation"].startswith(kinds) and not each["operation"].endswith(_LISTING)]
    rules = sum(row["records"] for row in done if row["operation"] in _RULES)
    return Evidence(
        id="changes",
        title="Changes",
        source="recent",
        statement=f"{_looked_at(groups, scope)}. Changes: {sum(row['records'] for row in shown):,}, of grants and "
        f"roles among them: {rules:,}. Each is on record with whoever made it.",
        columns=("Change", "How often", "By how many", "Last"),
        rows=table((row["operation"], row["records"], row["users"], row["newest"]) for row in shown),
        more=more(len(shown)),
    )


async def reviews(scope: Scope) -> Evidence:
    """Whether anybody looks into the trail."""
    groups = await scope.ask("recent", scope.since, scope.records)
    looks = [row for row in groups if row["success"] and row["operation"] in ("audit.search", "audit.export", "report")]
    last = max((row["newest"] for row in looks), default=None)
    return Evidence(
        id="reviews",
        title="Looks into the audit trail",
        source="recent",
        statement=f"{_looked_at(groups, scope)}. Searches, exports and reports: "
        f"{sum(row['records'] for row in looks):,}; the last: {age(last, scope.now)}.",
        attention="" if looks else "Nobody has looked into the audit trail.",
    )


async def break_glass(scope: Scope) -> Evidence:
    """How often the glass was broken, and for what."""
    row = await scope.one("break_glass", scope.since)
    found = await scope.ask("break_glass_requests", scope.since, MAX_ROWS)
    return Evidence(
        id="break-glass",
        title="Emergency access",
        source="break_glass, break_glass_requests",
        statement=f"Requests for emergency access in the last {scope.days} days: {row['requests']:,}. Granted: "
        f"{row['granted']:,}; refused, withdrawn or run out: {row['refused']:,}; in force now: {row['active']:,}. "
        f"Secrets read by it, as found at its end: {row['reads']:,}.",
        attention=f"Emergency grants in force: {row['active']:,}." if row["active"] else "",
        columns=("Who", "On", "Reason", "State", "Asked", "Decided by", "Ends"),
        rows=table(
            (
                *(each["requester"], each["pattern"], each["reason"], each["state"]),
                *(each["requested_at"], each["decided_by"], each["expires_at"]),
            )
            for each in found
        ),
        more=more(row["requests"]),
    )


def _looked_at(groups: Sequence[Mapping[str, Any]], scope: Scope) -> str:
    total = sum(row["records"] for row in groups)
    oldest = min((row["oldest"] for row in groups), default=scope.since)
    return f"Audit records looked at: {total:,}, back to {day(oldest)}"
