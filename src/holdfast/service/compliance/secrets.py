"""Evidence about secrets: that they are sealed, how old they are, whether they are rotated and removed."""

from holdfast.domain.compliance import MAX_ROWS, Evidence
from holdfast.service.compliance.scope import Scope, age, day, joined, more, share, table


async def secrets(scope: Scope) -> Evidence:
    """What there is."""
    row = await scope.one("secrets")
    return Evidence(
        id="secrets",
        title="Secrets",
        source="secrets",
        statement=f"{row['active']:,} secrets are kept centrally ({row['disabled']:,} of them disabled), with "
        f"{row['former_versions']:,} former versions; {row['deleted']:,} are deleted and can be recovered.",
        attention=f"{row['drifting']:,} differ from Key Vault." if row["drifting"] else "",
    )


async def sealed(scope: Scope) -> Evidence:
    """Whether every stored value is encrypted."""
    row = await scope.one("sealed")
    values = row["stored"] - row["undisclosed"]
    return Evidence(
        id="sealed",
        title="Encryption at rest",
        source="sealed",
        statement=f"{share(values - row['unsealed'], values)} stored values are sealed with AES-256-GCM, each under a "
        f"data key of its own, wrapped by {len(row['keys'])} key(s): {', '.join(sorted(row['keys'])) or 'none yet'}.",
        attention=f"{row['unsealed']:,} stored values name no key." if row["unsealed"] else "",
    )


async def expiry(scope: Scope) -> Evidence:
    """What expires, or has."""
    row, found = await scope.one("expiry"), await scope.queries.ask("expiring", MAX_ROWS)
    return Evidence(
        id="expiry",
        title="Expiry",
        source="expiry, expiring",
        statement=f"{share(row['active'] - row['unlimited'], row['active'])} secrets have an end; {row['expired']:,} "
        f"have expired, {row['soon']:,} expire within 30 days. {share(row['announced'], row['active'])} name whom to "
        "tell before.",
        attention=f"{row['expired']:,} expired secrets are still there." if row["expired"] else "",
        columns=("Secret", "Expires"),
        rows=table((each["secret_name"], each["expires_at"]) for each in found),
        more=more(row["expired"] + row["soon"]),
    )


async def rotation(scope: Scope) -> Evidence:
    """Who is rotated, and who should have been."""
    row, found = await scope.one("rotation"), await scope.queries.ask("overdue", MAX_ROWS)
    without = row["active"] - row["covered"]
    return Evidence(
        id="rotation",
        title="Rotation policies",
        source="rotation, overdue",
        statement=joined(
            f"{share(row['covered'], row['active'])} secrets have a rotation policy, {row['automatic']:,} are rotated "
            f"without asking; {row['overdue']:,} are overdue.",
            f"The longest interval is {row['longest_days']:,} days." if row["covered"] else "",
        ),
        attention=joined(
            f"{without:,} secrets have no rotation policy." if without else "",
            f"{row['overdue']:,} rotations are overdue." if row["overdue"] else "",
        ),
        columns=("Overdue secret", "Due", "Last rotated", "Failed attempts"),
        rows=table((r["secret_name"], r["next_rotation_at"], r["last_rotated_at"], r["failures"]) for r in found),
        more=more(row["overdue"]),
    )


async def rotations(scope: Scope) -> Evidence:
    """What was rotated lately."""
    row = await scope.one("rotations", scope.since)
    return Evidence(
        id="rotations",
        title="Rotations carried out",
        source="rotations",
        statement=f"In the last {scope.days} days {row['finished']:,} rotations were completed, {row['cancelled']:,} "
        f"cancelled, and {row['open']:,} are under way. The last new credential came into use "
        f"{age(row['last_promoted'], scope.now)}.",
    )


async def value_ages(scope: Scope) -> Evidence:
    """How old current values are."""
    row, found = await scope.one("value_ages"), await scope.queries.ask("oldest_values", MAX_ROWS)
    return Evidence(
        id="value-ages",
        title="Age of values",
        source="value_ages, oldest_values",
        statement=f"{share(row['over_90_days'], row['active'])} current values are older than 90 days, "
        f"{row['over_a_year']:,} older than a year.",
        attention=f"{row['over_a_year']:,} values are older than a year." if row["over_a_year"] else "",
        columns=("Secret", "Version", "Since"),
        rows=table((each["secret_name"], each["version"], each["created_at"]) for each in found),
        more=more(row["over_90_days"]),
    )


async def removal(scope: Scope) -> Evidence:
    """What is removed, and when."""
    row = await scope.one("removal")
    scrubbed = "Purged values have left the files of the database." if row["off_the_disk"] else ""
    return Evidence(
        id="removal",
        title="Removal",
        source="removal",
        statement=joined(
            f"{row['waiting']:,} deleted secrets wait for the end of their retention"
            + (f", the next one until {day(row['next_purge'])}." if row["waiting"] else "."),
            scrubbed,
        ),
        attention=joined(
            f"{row['late']:,} should have been purged by now." if row["late"] else "",
            "" if row["off_the_disk"] else "Purged values, sealed, are still in the files of the database.",
        ),
    )
