"""Evidence about what everything stands on: keys, connections, backups, and whether anybody is told."""

from datetime import timedelta
from typing import Final

from holdfast.domain.compliance import Evidence
from holdfast.ports.compliance import Surroundings
from holdfast.service.compliance.scope import Scope, age, day, joined, more, share, table

KEY_AGE: Final = timedelta(days=365)
"""A key older than this is named; how long a key may be used is for the organisation to say (NIST SP 800-57, 5.3)."""

BACKUP_AGE: Final = timedelta(days=7)
SOON: Final = timedelta(days=30)


async def keys(scope: Scope) -> Evidence:
    """Which keys there are, and how old they are."""
    found, gone = await scope.ask("keys"), await scope.one("retired_keys")
    active = next((row for row in found if row["state"] == "active"), None)
    since = (active["activated_at"] or active["created_at"]) if active else None
    old = since is not None and scope.now - since > KEY_AGE
    return Evidence(
        id="keys",
        title="Encryption keys",
        source="keys, retired_keys",
        statement=joined(
            f"Keys in use: {len(found):,}; retired: {gone['retired']:,}.",
            f"The one that seals, {active['key_id']}, has done so since {day(since)}." if active else "",
            f"A key was last retired {age(gone['last_retired'], scope.now)}." if gone["retired"] else "",
        ),
        attention="The key that seals is older than a year." if old else "",
        columns=("Key", "State", "Since", "Encryptions"),
        rows=table((row["key_id"], row["state"], row["created_at"], row["sealed"]) for row in found),
        more=more(len(found)),
    )


async def transport(scope: Scope, surroundings: Surroundings) -> Evidence:
    """How this node speaks with others."""
    row, settings, certificate = await scope.one("transport"), surroundings.settings(), surroundings.certificate()
    database = "over a local socket" if row["over_socket"] else row["tls"] or "without encryption"
    ends = certificate.expires_at if certificate else None
    serves = (
        f"This node serves over TLS, with a certificate that is good until {day(ends)}."
        if ends
        else "This node has no certificate to serve with."
    )
    return Evidence(
        id="transport",
        title="Encryption in transit",
        source="transport; the certificate file and the settings of the answering node",
        statement=joined(
            serves,
            f"PostgreSQL is reached {database}, Key Vault {settings['keyvault'] or 'not at all'}, "
            f"Redis {settings['redis'] or 'not at all'}.",
        ),
        attention=joined(
            "The connection to PostgreSQL is not encrypted." if database == "without encryption" else "",
            "The connection to Redis is not encrypted." if settings["redis"] == "without encryption" else "",
            "The certificate has ended, or ends within 30 days." if ends and ends - scope.now < SOON else "",
        ),
    )


async def backup(scope: Scope) -> Evidence:
    """When all of it was last backed up."""
    row = await scope.one("backup")
    last = row["backed_up_at"]
    made = f"The last backup, {row['backup_id']}, is of {day(last)}: sealed, and read back before it counted."
    return Evidence(
        id="backup",
        title="Backups",
        source="backup",
        statement=joined(
            made if last else "No backup was made with `holdfast backup`.",
            f"This installation was restored from one on {day(row['restored_at'])}." if row["restored_at"] else "",
        ),
        attention=""
        if last and scope.now - last <= BACKUP_AGE
        else f"There is no backup of the last {BACKUP_AGE.days} days.",
    )


async def replication(scope: Scope) -> Evidence:
    """Whether changes arrive in Key Vault."""
    row = await scope.one("replication")
    return Evidence(
        id="replication",
        title="Copies in step",
        source="replication",
        statement=f"Changes on their way to Key Vault: {row['open']:,}; waiting for a person: {row['parked']:,}. "
        f"Mirror and vault were last compared: {age(row['last_sync'], scope.now)}.",
        attention=f"Changes that wait for a person: {row['parked']:,}." if row["parked"] else "",
    )


async def notices(scope: Scope) -> Evidence:
    """Whether people are told."""
    row = await scope.one("notices", scope.since)
    all_of_them = row["sent"] + row["waiting"] + row["dead"]
    return Evidence(
        id="notices",
        title="Notices to people",
        source="notices",
        statement=f"Notices of the last {scope.days} days that were delivered: {share(row['sent'], all_of_them)}; the "
        f"last: {age(row['last_sent'], scope.now)}. Waiting: {row['waiting']:,}.",
        attention=f"Notices that could not be delivered: {row['dead']:,}." if row["dead"] else "",
    )
