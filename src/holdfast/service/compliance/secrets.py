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
        statement=f"Secrets kept centrally: {row['active']:,}, disabled ones among them: {row['disabled']:,}. Former "
        f"versions: {row['former_versions']:,}. Deleted and recoverable: {row['deleted']:,}.",
        attention=f"Secrets that differ from Key Vault: {row['drifting']:,}." if row["drifting"] else "",
    )


async def sealed(scope: Scope) -> Evidence:
    """Whether every stored value is encrypted."""
    row = await scope.one("sealed")
    values = row["stored"] - row["undisclosed"]
    return Evidence(
        id="sealed",
        title="Encryption at rest",
        source="sealed",
        statement=f"Values stored as ciphertext with a nonce and a tag of AES-256-GCM: {share(row['sealed'], values)}. "
        f"Wrapped data keys of their own: {share(row['own_keys'], values)}. Wrapped by: "
        f"{', '.join(sorted(row['keys'])) or 'no key yet'}.",
        attention=f"Stored values that are not sealed so: {values - row['sealed']:,}."
        if row["sealed"] < values
        else "",
    )


async def expiry(scope: Scope) -> Evidence:
    """What expires, or has."""
    row, found = await scope.one("expiry"), await scope.ask("expiring", MAX_ROWS)
    return Evidence(
        id="expiry",
        title="Expiry",
        source="expiry, expiring",
        statement=f"Secrets with an end: {share(row['active'] - row['unlimited'], row['active'])}. Expired: "
        f"{row['expired']:,}. Expiring within 30 days: {row['soon']:,}. With somebody to tell before: "
        f"{share(row['announced'], row['active'])}.",
        attention=f"Secrets that have expired and are still there: {row['expired']:,}." if row["expired"] else "",
        columns=("Secret", "Expires"),
        rows=table((each["secret_name"], each["expires_at"]) for each in found),
        more=more(row["expired"] + row["soon"]),
    )


async def rotation(scope: Scope) -> Evidence:
    """Who is rotated, and who should have been."""
    row, found = await scope.one("rotation"), await scope.ask("overdue", MAX_ROWS)
    without = row["active"] - row["covered"]
    return Evidence(
        id="rotation",
        title="Rotation policies",
        source="rotation, overdue",
        statement=joined(
            f"Secrets with a rotation policy: {share(row['covered'], row['active'])}. Rotated without asking: "
            f"{row['automatic']:,}. Overdue: {row['overdue']:,}.",
            f"Longest interval in days: {row['longest_days']:,}." if row["covered"] else "",
        ),
        attention=joined(
            f"Secrets without a rotation policy: {without:,}." if without else "",
            f"Overdue rotations: {row['overdue']:,}." if row["overdue"] else "",
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
        statement=f"Rotations begun in the last {scope.days} days and completed: {row['finished']:,}; cancelled: "
        f"{row['cancelled']:,}; under way: {row['open']:,}. A new credential last came into use: "
        f"{age(row['last_promoted'], scope.now)}.",
    )


async def value_ages(scope: Scope) -> Evidence:
    """How old current values are."""
    row, found = await scope.one("value_ages"), await scope.ask("oldest_values", MAX_ROWS)
    return Evidence(
        id="value-ages",
        title="Age of values",
        source="value_ages, oldest_values",
        statement=f"Current values older than 90 days: {share(row['over_90_days'], row['active'])}; older than a year: "
        f"{row['over_a_year']:,}.",
        attention=f"Values older than a year: {row['over_a_year']:,}." if row["over_a_year"] else "",
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
            f"Deleted secrets that wait for the end of their retention: {row['waiting']:,}"
            + (f", the next until {day(row['next_purge'])}." if row["waiting"] else "."),
            scrubbed,
        ),
        attention=joined(
            f"Deleted secrets past the end of their retention: {row['late']:,}." if row["late"] else "",
            "" if row["off_the_disk"] else "Purged values, sealed, are still in the files of the database.",
        ),
    )
