"""What the statements of the product mean, on tables in memory: one function for each, by the name in its file.

Each is a model of its SQL and nothing else decides here; ``test_statements.py`` holds every one against PostgreSQL.
"""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from holdfast.stores.postgres.audit import TABLE
from holdfast.stores.postgres.queries import load
from tests.proof.simulation.copying import decoded
from tests.proof.simulation.tables import Row, View

Statement = Callable[..., list[Row]]
BY_TEXT: Final[dict[str, tuple[str, Statement]]] = {}
"""The name and the meaning of each statement, by its text."""

READS: Final[set[str]] = set()
"""Those that change nothing, and hold nothing."""

WAITING: Final = ("open", "parked")
ONE: Final = "the only row"


def sql(file: str, *, reads: bool = False) -> Callable[[Statement], Statement]:
    """The function is the statement of its name, up to a trailing underscore, in a file."""

    def register(meaning: Statement) -> Statement:
        name = meaning.__name__.split("__")[-1].rstrip("_")
        BY_TEXT[load(file)[name]] = (f"{file}: {name}", meaning)
        if reads:
            READS.add(f"{file}: {name}")
        return meaning

    return register


# --- secrets ---

_HEAD: Final = (
    *("attestation", "metadata", "version", "version_id", "vault_version_id", "vault_updated_at", "verified_at"),
    *("deleted_at", "scheduled_purge_at", "drift", "provisional"),
)
_SEAL: Final = ("encrypted_value", "iv", "auth_tag", "key_id", "wrapped_key")
_ATTRIBUTES: Final = ("content_type", "tags", "enabled", "not_before", "expires_at", "carried")
_CONTENT: Final = (*_SEAL, *_ATTRIBUTES, "created_at", "updated_at", "created_by")
_KEPT: Final = ("incarnation", "version", "version_id", *_CONTENT, "vault_version_id", "told_id")


def _secret(db: View, incarnation: UUID) -> Row | None:
    return next(iter(db.where("secrets_vault", incarnation=incarnation)), None)


def _with_facts(db: View, rows: Sequence[Row | None]) -> list[Row]:
    found = []
    for row in rows:
        if row is not None:
            waiting = sum(
                each["state"] in WAITING for each in db.where("secret_intents", secret_name=row["secret_name"])
            )
            newest = max((each["version"] for each in _history(db, row["incarnation"])), default=None)
            found.append({**row, "open_intents": waiting, "contradicted": newest and newest >= row["version"]})
    return found


def _history(db: View, incarnation: UUID) -> list[Row]:
    return sorted(db.where("secret_versions", incarnation=incarnation), key=lambda row: int(row["version"]))


def _announced(db: View, name: str, **columns: Any) -> list[Row]:
    row = db.change("secrets_vault", name, revision=db.next("secret_revisions"), **columns)
    db.announce(f"secret:{name}:{row['revision']}")
    return [{"revision": row["revision"]}]


@sql("ledger", reads=True)
def head(db: View, name: str) -> list[Row]:
    return _with_facts(db, [db.get("secrets_vault", name)])


@sql("ledger", reads=True)
def heads(db: View, names: Sequence[str]) -> list[Row]:
    return _with_facts(db, [db.get("secrets_vault", name) for name in names])


@sql("ledger")
def lock(db: View, name: str) -> list[Row]:
    if db.get("secrets_vault", name) is not None:
        db.lock("secrets_vault", name)
    return head(db, name)


@sql("ledger", reads=True)
def current(db: View, name: str) -> list[Row]:
    return head(db, name)


@sql("ledger", reads=True)
def version_by_number(db: View, incarnation: UUID, version: int) -> list[Row]:
    return db.where("secret_versions", incarnation=incarnation, version=version)


@sql("ledger", reads=True)
def version_by_id(db: View, incarnation: UUID, asked: str) -> list[Row]:
    ids = ("version_id", "told_id", "vault_version_id")
    found = [row for row in _history(db, incarnation) if asked in [row[each] for each in ids]]
    return sorted(found, key=lambda row: (row["version_id"] == asked, row["version"]))[-1:]


@sql("ledger", reads=True)
def history(db: View, incarnation: UUID) -> list[Row]:
    return _history(db, incarnation)


@sql("ledger", reads=True)
def contents(db: View, incarnation: UUID) -> list[Row]:
    return _history(db, incarnation)


@sql("ledger", reads=True)
def unfetched(db: View, incarnation: UUID, before: int, limit: int) -> list[Row]:
    found = [row for row in _history(db, incarnation) if row["version"] < before and _is_unfetched(row)]
    return [row for row in found[::-1] if row["vault_version_id"] is not None][:limit]


def _is_unfetched(row: Row) -> bool:
    return row["key_id"] is None and bool(row["enabled"])


def _named(db: View, after: str, limit: int, wanted: Callable[[Row], bool]) -> list[Row]:
    found = [row for row in db.rows("secrets_vault") if row["secret_name"] > after and wanted(row)]
    return sorted(found, key=lambda row: str(row["secret_name"]))[:limit]


@sql("ledger", reads=True)
def with_unfetched(db: View, after: str, limit: int) -> list[Row]:
    lacking = {row["incarnation"] for row in db.rows("secret_versions") if _is_unfetched(row)}
    return _named(db, after, limit, lambda row: row["state"] == "active" and row["incarnation"] in lacking)


@sql("ledger", reads=True)
def names(db: View, state: str, after: str, limit: int) -> list[Row]:
    return _named(db, after, limit, lambda row: row["state"] == state)


@sql("ledger", reads=True)
def summaries(db: View, state: str, after: str, limit: int) -> list[Row]:
    return names(db, state, after, limit)


@sql("ledger", reads=True)
def overdue(db: View, now: Any) -> list[Row]:
    return [row for row in names(db, "deleted", "", 100) if row["scheduled_purge_at"] <= now and not _waits(db, row)]


def _waits(db: View, row: Row) -> bool:
    return any(each["state"] in WAITING for each in db.where("secret_intents", secret_name=row["secret_name"]))


@sql("ledger")
def create(db: View, name: str, display_name: str, incarnation: UUID, state: str, *columns: Any) -> list[Row]:
    revision = db.next("secret_revisions")
    db.lock("secrets_vault", name)
    if db.get("secrets_vault", name) is not None:
        return []
    row = dict(zip((*_HEAD, *_CONTENT), columns, strict=True))
    row |= {"secret_name": name, "display_name": display_name, "incarnation": incarnation, "state": state}
    row |= {"revision": revision, "updated_by": row["created_by"], "told_id": row["vault_version_id"]}
    db.put("secrets_vault", name, row)
    db.announce(f"secret:{name}:{revision}")
    return [{"revision": revision}]


@sql("ledger")
def keep_former(db: View, incarnation: UUID) -> list[Row]:
    row = _secret(db, incarnation)
    if row is not None:
        db.put("secret_versions", (incarnation, row["version"]), {column: row[column] for column in _KEPT})
    return []


@sql("ledger")
def put_current(db: View, display_name: str, incarnation: UUID, state: str, *columns: Any) -> list[Row]:
    row = _secret(db, incarnation)
    if row is None:
        return []
    new = dict(zip((*_HEAD, *_CONTENT), columns, strict=True))
    new |= {"updated_by": new["created_by"], "told_id": new["vault_version_id"]}
    return _announced(db, row["secret_name"], display_name=display_name, state=state, **new)


@sql("ledger")
def add_history(db: View, incarnation: UUID, version: int, version_id: str, *columns: Any) -> list[Row]:
    row = dict(zip((*_CONTENT, "vault_version_id"), columns, strict=True))
    row |= {
        "incarnation": incarnation,
        "version": version,
        "version_id": version_id,
        "told_id": row["vault_version_id"],
    }
    db.put("secret_versions", (incarnation, version), row)
    return []


@sql("ledger")
def fill(db: View, incarnation: UUID, version: int, *seal: Any) -> list[Row]:
    for row in version_by_number(db, incarnation, version):
        if row["key_id"] is None:
            db.change("secret_versions", (incarnation, version), **dict(zip(_SEAL, seal, strict=True)))
    return []


@sql("ledger")
def carry_current(db: View, incarnation: UUID, version: int, carried: str) -> list[Row]:
    row = _secret(db, incarnation)
    if row is not None and row["version"] == version:
        db.change("secrets_vault", row["secret_name"], carried=carried)
    return []


@sql("ledger")
def carry_history(db: View, incarnation: UUID, version: int, carried: str) -> list[Row]:
    for _ in version_by_number(db, incarnation, version):
        db.change("secret_versions", (incarnation, version), carried=carried)
    return []


def _rewritten(row: Row, columns: Sequence[Any]) -> Row:
    new = dict(zip((*_SEAL, *_ATTRIBUTES, "updated_at", "vault_version_id"), columns, strict=True))
    return {**new, "told_id": row["told_id"] if row["told_id"] is not None else new["vault_version_id"]}


@sql("ledger")
def rewrite_history(db: View, incarnation: UUID, version: int, *columns: Any) -> list[Row]:
    for row in version_by_number(db, incarnation, version):
        db.change("secret_versions", (incarnation, version), **_rewritten(row, columns))
    return []


@sql("ledger")
def rewrite_current(db: View, incarnation: UUID, version: int, *columns: Any) -> list[Row]:
    row = _secret(db, incarnation)
    if row is not None and row["version"] == version:
        by = columns[-1] if columns[-1] is not None else row["updated_by"]
        db.change("secrets_vault", row["secret_name"], updated_by=by, **_rewritten(row, columns[:-1]))
    return []


@sql("ledger")
def put_head(db: View, incarnation: UUID, *columns: Any) -> list[Row]:
    row = _secret(db, incarnation)
    if row is None:
        return []
    named = ("display_name", "state", "attestation", "metadata", "vault_version_id", "vault_updated_at", "verified_at")
    new = dict(zip((*named, "deleted_at", "scheduled_purge_at", "drift", "provisional"), columns, strict=True))
    new["told_id"] = row["told_id"] if row["told_id"] is not None else new["vault_version_id"]
    return _announced(db, row["secret_name"], **new)


@sql("ledger")
def remove(db: View, incarnation: UUID, name: str) -> list[Row]:
    row = _secret(db, incarnation)
    if row is not None:
        db.put("secrets_vault", row["secret_name"], None)
    for former in _history(db, incarnation):
        db.put("secret_versions", (incarnation, former["version"]), None)
    db.lock("access_epoch", ONE)
    granted = db.where("secret_access_control", secret_name=name)
    for each in granted:
        db.put("secret_access_control", (name, each["user_id"]), None)
    for answer in db.where("idempotency_records", secret_name=name):
        db.put("idempotency_records", (answer["user_id"], answer["idempotency_key"]), None)
    revision = db.next("secret_revisions")
    db.announce(f"secret:{name}:{revision}")
    if granted:
        db.announce(f"rules:{_bumped(db)}:")
    return [{"revision": revision, "nextval": db.next("secret_purges")}]


@sql("ledger")
def lock_name(db: View, name: str) -> list[Row]:
    db.lock("names", name)
    return [{"pg_advisory_xact_lock": None}]


@sql("ledger")
def confirm(db: View, incarnations: Sequence[UUID], revisions: Sequence[int]) -> list[Row]:
    for incarnation, revision in zip(incarnations, revisions, strict=True):
        for row in db.where("secrets_vault", incarnation=incarnation, revision=revision):
            if not _waits(db, row):
                db.change("secrets_vault", row["secret_name"], verified_at=db.now)
    return []


@sql("ledger", reads=True)
def unconfirmed(db: View, before: Any, after: str, limit: int) -> list[Row]:
    def wanted(row: Row) -> bool:
        there = row["state"] == "active" and row["vault_version_id"] is not None
        return there and row["verified_at"] < before and not _waits(db, row)

    return _named(db, after, limit, wanted)


@sql("ledger", reads=True)
def drifting(db: View, limit: int) -> list[Row]:
    return _with_facts(db, _named(db, "", limit, lambda row: row["drift"] is not None))


@sql("ledger")
def remove_schedule(db: View, name: str) -> list[Row]:
    return []  # nothing is ever scheduled here


# --- answers to repeated requests ---

_DAY: Final = timedelta(hours=24)


@sql("ledger", reads=True)
def recall(db: View, user: str, key: str) -> list[Row]:
    row = db.get("idempotency_records", (user, key))
    return [row] if row is not None and row["created_at"] > db.now - _DAY else []


@sql("ledger")
def remember(db: View, user: str, key: str, name: str, fingerprint: bytes, answer: str) -> list[Row]:
    db.lock("idempotency_records", (user, key))
    if recall(db, user, key):
        return []
    row = {"user_id": user, "idempotency_key": key, "secret_name": name, "fingerprint": fingerprint, "answer": answer}
    db.put("idempotency_records", (user, key), {**row, "created_at": db.now})
    return [{"one": 1}]


@sql("ledger")
def answer_otherwise(db: View, name: str, intent: UUID, answer: str) -> list[Row]:
    for row in db.where("idempotency_records", secret_name=name):
        if json.loads(row["answer"]).get("intent") == str(intent):
            db.change("idempotency_records", (row["user_id"], row["idempotency_key"]), answer=answer)
    return []


# --- intents and proposals ---


def _intent(db: View, intent_id: UUID) -> Row | None:
    return db.get("secret_intents", intent_id)


def _settle(db: View, row: Row, state: str = "superseded", **columns: Any) -> Row:
    fence = row["fence"] + 1 if state == "superseded" else row["fence"]
    return db.change("secret_intents", row["id"], **{"state": state, "settled_at": db.now, "fence": fence, **columns})


def _is_leased(db: View, row: Row) -> bool:
    return row["lease_until"] is not None and row["lease_until"] > db.now


def _waiting(db: View, **columns: Any) -> list[Row]:
    found = [row for row in db.where("secret_intents", **columns) if row["state"] in WAITING]
    return sorted(found, key=lambda row: int(row["sequence"]))


def _is_proposed(db: View, row: Row) -> bool:
    return db.get("secret_proposals", row["secret_name"]) is not None


def _makes_nothing(db: View, row: Row) -> bool:
    """An update of a version that a parked set was to make."""
    made = db.where("secret_intents", incarnation=row["incarnation"], version=row["version"], kind="set")
    return row["kind"] == "update" and any(each["state"] == "parked" for each in made)


@sql("ledger")
def add_intent(
    db: View, intent_id: UUID, incarnation: UUID, name: str, display_name: str, kind: str, version: int, attributes: str
) -> list[Row]:
    row = {"id": intent_id, "incarnation": incarnation, "secret_name": name, "display_name": display_name, "kind": kind}
    row |= {"version": version, "attributes": attributes, "sequence": db.next("intents"), "state": "open"}
    row |= dict.fromkeys(("attempts", "fence", "failures", "doubts"), 0)
    row |= dict.fromkeys(("last_error", "lease_until", "settled_at", "limbo_since"))
    db.put("secret_intents", intent_id, {**row, "restored": False, "created_at": db.now, "next_attempt_at": db.now})
    return []


@sql("ledger", reads=True)
def proposed(db: View, name: str) -> list[Row]:
    return [row for row in [db.get("secret_proposals", name)] if row is not None]


@sql("ledger")
def propose(db: View, intent_id: UUID, name: str, change: bytes, lease: timedelta) -> list[Row]:
    db.change("secret_intents", intent_id, attempts=1, doubts=1, fence=1, lease_until=db.now + lease)
    db.lock("secret_proposals", name)
    if proposed(db, name):
        return []
    db.put("secret_proposals", name, {"intent": intent_id, "secret_name": name, "change": change})
    return [{"one": 1}]


@sql("ledger")
def conclude(db: View, intent_id: UUID, fence: int, state: str, error: str, pause: timedelta) -> list[Row]:
    row = _intent(db, intent_id)
    if row is None or row["fence"] != fence or row["state"] != "open":
        return []
    settled = db.now if state == "refused" else None
    columns = {"lease_until": None, "last_error": error, "next_attempt_at": db.now + pause, "settled_at": settled}
    db.change("secret_intents", intent_id, state=state, **columns)
    gone = db.where("secret_proposals", intent=intent_id)
    for each in gone:
        db.put("secret_proposals", each["secret_name"], None)
    return [{"one": 1} for _ in gone]


@sql("ledger", reads=True)
def concluded(db: View, intent_id: UUID, fence: int) -> list[Row]:
    row = _intent(db, intent_id)
    over = row is not None and row["fence"] == fence and not db.where("secret_proposals", intent=intent_id)
    return [{"state": row["state"]}] if over and row is not None else []


@sql("ledger")
def supersede_intents(db: View, incarnation: UUID, purge: UUID) -> list[Row]:
    for row in _waiting(db, incarnation=incarnation):
        if row["id"] != purge:
            _settle(db, row)
    return []


@sql("ledger")
def supersede_purges(db: View, name: str, purge: UUID) -> list[Row]:
    for row in _waiting(db, secret_name=name, kind="purge"):
        if row["id"] != purge:
            _settle(db, row)
    return []


@sql("ledger")
def supersede_refused(db: View, incarnation: UUID, but: UUID, kinds: Sequence[str], version: int) -> list[Row]:
    found = [
        row
        for row in _waiting(db, incarnation=incarnation)
        if row["kind"] in kinds and row["state"] == "parked" and row["id"] != but and not _is_leased(db, row)
        if row["kind"] != "update" or row["version"] == version
    ]
    moot = [
        row
        for made in found
        if made["kind"] == "set"
        for row in _waiting(db, incarnation=incarnation, version=made["version"], kind="update")
    ]
    for row in {row["id"]: row for row in (*moot, *found)}.values():
        _settle(db, row)
    return sorted(
        ({"version": row["version"]} for row in found), key=lambda row: (row["version"] is None, row["version"] or 0)
    )


@sql("ledger", reads=True)
def is_in_vault(db: View, incarnation: UUID, but: UUID) -> list[Row]:
    rows = [*db.where("secrets_vault", incarnation=incarnation), *_history(db, incarnation)]
    tried = db.where("secret_intents", incarnation=incarnation)
    asked = any(row["id"] != but and (row["state"] == "done" or row["doubts"] > 0 or row["restored"]) for row in tried)
    return [{"is": asked or any(row["vault_version_id"] is not None for row in rows)}]


@sql("journal")
def claim(db: View, limit: int, lease: timedelta, name: str | None, past: Sequence[str]) -> list[Row]:
    def hinders(other: Row, row: Row) -> bool:
        if _is_leased(db, other):
            return True
        parked = other["state"] == "parked" and f"{row['kind']} {other['kind']}" in past
        moot = f"{row['kind']} set" in past and _makes_nothing(db, other)
        return other["sequence"] < row["sequence"] and not parked and not moot

    def is_due(row: Row) -> bool:
        free = row["next_attempt_at"] <= db.now and not _is_leased(db, row) and not _is_proposed(db, row)
        return free and not any(hinders(other, row) for other in _waiting(db, secret_name=row["secret_name"]))

    found = [row for row in _waiting(db) if name in (None, row["secret_name"]) and is_due(row)]
    found = [row for row in found if db.is_free("secret_intents", row["id"])]
    due = sorted(found, key=lambda row: (row["next_attempt_at"], row["sequence"]))[:limit]
    return [
        db.change(
            "secret_intents",
            row["id"],
            **{column: row[column] + 1 for column in ("fence", "attempts", "doubts")},
            lease_until=db.now + lease,
        )
        for row in due
    ]


@sql("journal")
def take_orphans(db: View, limit: int, lease: timedelta) -> list[Row]:
    taken = []
    for each in db.rows("secret_proposals"):
        row = _intent(db, each["intent"])
        if row is not None and not _is_leased(db, row) and db.is_free("secret_intents", row["id"]):
            held = db.change("secret_intents", row["id"], fence=row["fence"] + 1, lease_until=db.now + lease)
            taken.append({**held, "change": each["change"]})
    return taken[:limit]


@sql("journal", reads=True)
def in_the_way(db: View, name: str, past: Sequence[str]) -> list[Row]:
    def passes(row: Row) -> bool:
        parked = row["state"] == "parked" and row["kind"] in past
        return not _is_leased(db, row) and (parked or ("set" in past and _makes_nothing(db, row)))

    found = [row for row in _waiting(db, secret_name=name) if not passes(row)]
    return [{"id": row["id"]} for row in found[::-1] if not db.where("secret_proposals", intent=row["id"])][:1]


@sql("journal")
def journal__lock(db: View, incarnation: UUID) -> list[Row]:
    row = _secret(db, incarnation)
    if row is None:
        return []
    db.lock("secrets_vault", row["secret_name"])
    return [{"one": 1}]


@sql("journal")
def complete(db: View, intent_id: UUID, fence: int, vault_version_id: str | None, updated_at: Any) -> list[Row]:
    row = _intent(db, intent_id)
    if row is None or row["fence"] != fence or row["state"] not in WAITING:
        return [{"count": 0}]
    _settle(db, row, "done", lease_until=None, last_error=None)
    secret = _secret(db, row["incarnation"])
    if row["kind"] in ("set", "update"):
        if secret is not None and secret["version"] == row["version"]:
            columns = {**_told(secret, vault_version_id), "vault_updated_at": updated_at, "verified_at": db.now}
            db.change("secrets_vault", secret["secret_name"], **columns)
        for former in version_by_number(db, row["incarnation"], row["version"]):
            db.change("secret_versions", (row["incarnation"], row["version"]), **_told(former, vault_version_id))
    return [{"count": 1}]


def _told(row: Row, an_id: str | None) -> Row:
    known = an_id if an_id is not None else row["vault_version_id"]
    return {"vault_version_id": known, "told_id": row["told_id"] if row["told_id"] is not None else an_id}


@sql("journal")
def tell_id(db: View, incarnation: UUID, version: int, told_id: str | None) -> list[Row]:
    for row in db.where("secrets_vault", incarnation=incarnation, version=version):
        if told_id is not None and row["told_id"] == told_id:
            _announced(db, row["secret_name"])
            return [{"told": ""}]
    return []


@sql("journal")
def release(
    db: View, intent_id: UUID, fence: int, error: str, pause: timedelta, failed: bool, in_doubt: bool, limbo: Any
) -> list[Row]:
    row = _intent(db, intent_id)
    if row is None or row["fence"] != fence or row["state"] not in WAITING:
        return []
    counts = {"failures": row["failures"] + failed, "doubts": row["doubts"] - (not in_doubt)}
    columns = {"lease_until": None, "last_error": error, "next_attempt_at": db.now + pause, "limbo_since": limbo}
    db.change("secret_intents", intent_id, **counts, **columns)
    return [{"one": 1}]


@sql("journal")
def park(
    db: View, intent_id: UUID, fence: int, error: str, pause: timedelta, in_doubt: bool, overtaken: bool, over: Any
) -> list[Row]:
    row = _intent(db, intent_id)
    if row is None or row["fence"] != fence or row["state"] not in WAITING:
        return []
    later = [
        each
        for each in _waiting(db, incarnation=row["incarnation"])
        if each["sequence"] > row["sequence"] and f"{each['kind']} {row['kind']}" in over
        if (row["kind"] != "update" or each["version"] == row["version"])
        if not db.where("secret_proposals", intent=each["id"])
    ]
    void = bool(overtaken and later)
    counts = {"failures": row["failures"] + 1, "doubts": row["doubts"] - (not in_doubt)}
    columns = {"lease_until": None, "last_error": error, "next_attempt_at": db.now + pause}
    state = "superseded" if void else "parked"
    db.change("secret_intents", intent_id, state=state, settled_at=db.now if void else None, **counts, **columns)
    if void and row["kind"] == "set":
        for moot in _waiting(db, incarnation=row["incarnation"], version=row["version"], kind="update"):
            _settle(db, moot)
    return [{"state": state}]


@sql("journal", reads=True)
def is_held(db: View, name: str) -> list[Row]:
    return [{"is": any(_is_leased(db, row) for row in _waiting(db, secret_name=name))}]


@sql("journal", reads=True)
def is_settled(db: View, intent_id: UUID) -> list[Row]:
    row = _intent(db, intent_id)
    return [{"is": row is not None and row["state"] in ("done", "superseded")}]


@sql("journal", reads=True)
def waiting(db: View) -> list[Row]:
    return [{"secret_name": name} for name in sorted({row["secret_name"] for row in _waiting(db)})]


@sql("journal", reads=True)
def hands_off(db: View, name: str) -> list[Row]:
    def full(row: Row) -> bool:
        return row["kind"] == "set" and row["doubts"] > 0 and len(json.loads(row["attributes"])["tags"]) >= 15

    rows = _waiting(db, secret_name=name)
    return [{"is": bool(proposed(db, name)) or any(row["kind"] == "purge" or full(row) for row in rows)}]


@sql("journal", reads=True)
def find(db: View, ids: Sequence[UUID]) -> list[Row]:
    return [row for row in (_intent(db, an_id) for an_id in ids) if row is not None]


@sql("journal", reads=True)
def is_disputed(db: View, incarnation: UUID, kind: str, undone_by: str, within: timedelta) -> list[Row]:
    rows = db.where("secret_intents", incarnation=incarnation)
    early = [row for row in rows if row["kind"] == kind and row["attempts"] > 1 and row["settled_at"] is not None]
    recent = [row["sequence"] for row in early if row["settled_at"] > db.now - within]
    undone = [row["sequence"] for row in rows if row["kind"] == undone_by and row["state"] == "done"]
    return [{"is": bool(recent and undone) and max(undone) > min(recent)}]


@sql("journal", reads=True)
def is_deletion_void(db: View, incarnation: UUID) -> list[Row]:
    rows = [row for row in db.where("secret_intents", incarnation=incarnation) if row["kind"] in ("delete", "recover")]
    over = sorted((row for row in rows if row["state"] in ("done", "superseded")), key=lambda row: int(row["sequence"]))
    return [{"is": bool(over) and (over[-1]["kind"], over[-1]["state"]) == ("delete", "superseded")}]


@sql("journal", reads=True)
def last_written(db: View, incarnation: UUID, version: int) -> list[Row]:
    rows = db.where("secret_intents", incarnation=incarnation, version=version)
    written = sorted((row for row in rows if row["kind"] in ("set", "update")), key=lambda row: int(row["sequence"]))
    return [{"id": row["id"]} for row in written[-1:]]


@sql("journal", reads=True)
def purged_at(db: View, name: str) -> list[Row]:
    rows = db.where("secret_intents", secret_name=name, kind="purge")
    return [{"max": max((row["created_at"] for row in rows), default=None)}]


@sql("journal", reads=True)
def parked(db: View, name: str | None) -> list[Row]:
    return [row for row in _waiting(db) if row["state"] == "parked" and name in (None, row["secret_name"])]


# --- audit records ---


@sql("audit")
def record(db: View, text: str) -> list[Row]:
    number = db.next("outbox")
    db.put("audit_outbox", number, {"id": number, "record": text})
    return [{"one": 1}]


@sql("audit")
def audit__claim(db: View, limit: int) -> list[Row]:
    free = sorted(
        (row for row in db.rows("audit_outbox") if db.is_free("audit_outbox", row["id"])),
        key=lambda row: int(row["id"]),
    )
    for row in free[:limit]:
        db.put("audit_outbox", row["id"], None)
    return free[:limit]


@sql("audit")
def placed(db: View, texts: Sequence[str]) -> list[Row]:
    records = list(map(json.loads, texts))
    for row in db.rows("audit_outbox"):
        if json.loads(row["record"]) in records:
            db.put("audit_outbox", row["id"], None)
    return []


@sql("audit", reads=True)
def audit__waiting(db: View) -> list[Row]:
    return [{"exists": bool(db.rows("audit_outbox"))}]


@sql("audit", reads=True)
def present(db: View, writer: UUID, boot: int, first: int, last: int) -> list[Row]:
    return [row for row in _chain(db, writer, boot) if first <= row["seq"] <= last]


def _chain(db: View, writer: UUID, boot: int) -> list[Row]:
    return sorted(db.where(TABLE, writer=writer, boot=boot), key=lambda row: int(row["seq"]))


@sql("audit", reads=True)
def last_head(db: View, writer: UUID) -> list[Row]:
    boots = sorted(row["boot"] for row in db.where("audit_chains", writer=writer))
    found = [rows[-1] for boot in boots if (rows := _chain(db, writer, boot))]
    return [{column: row[column] for column in ("writer", "boot", "seq", "hash")} for row in found[-1:]]


@sql("audit")
def reopen(db: View, writer: UUID, boot: int) -> list[Row]:
    return []  # nothing is ever signed here, so no chain is settled


@sql("audit")
def partitions(db: View) -> list[Row]:
    return []  # there is always room


def copied(db: View, data: bytes, columns: Sequence[str]) -> list[Row]:
    """COPY of audit records, with the trigger that notes where a chain begins."""
    import asyncpg

    rows = decoded(data, columns)
    for row in rows:
        key = (row["writer"], row["boot"], row["seq"], row["timestamp"])
        db.lock(TABLE, key)
        if db.get(TABLE, key) is not None:
            raise asyncpg.UniqueViolationError("duplicate key value violates unique constraint")
        db.put(TABLE, key, row)
        if row["seq"] == 1 and db.get("audit_chains", key[:2]) is None:
            db.put("audit_chains", key[:2], {"writer": row["writer"], "boot": row["boot"]})
    return rows


# --- rules, identities, and what else a node asks for ---

_GRANT: Final = (
    "user_id",
    "secret_name",
    "permissions",
    "granted_by",
    "granted_at",
    "expires_at",
    "incarnation",
    "attestation",
)

_RULE: Final = ("kind", "id", "subject", "pattern", "terms", *_GRANT[3:], "living")


def _epoch(db: View) -> int:
    row = db.get("access_epoch", ONE)
    return int(row["epoch"]) if row is not None else 0


def _bumped(db: View) -> int:
    db.lock("access_epoch", ONE)
    db.put("access_epoch", ONE, {"epoch": _epoch(db) + 1})
    return _epoch(db)


@sql("grants", reads=True)
def epoch(db: View) -> list[Row]:
    return [{"epoch": _epoch(db)}]


@sql("grants")
def grants__lock(db: View) -> list[Row]:
    db.lock("access_epoch", ONE)
    return epoch(db)


@sql("grants", reads=True)
def incarnation(db: View, name: str) -> list[Row]:
    row = db.get("secrets_vault", name)
    return [{"incarnation": row["incarnation"]}] if row is not None else []


@sql("grants", reads=True)
def rules(db: View, subjects: Sequence[str] | None) -> list[Row]:
    found = []
    for row in db.rows("secret_access_control"):
        if subjects is None or row["user_id"] in subjects:
            secret = db.get("secrets_vault", row["secret_name"])
            told = {
                "kind": "grant",
                "subject": row["user_id"],
                "pattern": row["secret_name"],
                "terms": row["permissions"],
            }
            found.append({**row, **told, "living": secret["incarnation"] if secret else None, "epoch": _epoch(db)})
    return sorted(found, key=lambda row: int(row["id"])) or [{**dict.fromkeys(_RULE), "epoch": _epoch(db)}]


@sql("grants")
def put_grant(db: View, user: str, pattern: str, *columns: Any) -> list[Row]:
    number = _bumped(db)
    fresh, before = db.next("grants"), db.get("secret_access_control", (pattern, user))
    row = {"id": before["id"] if before else fresh, **dict(zip(_GRANT, (user, pattern, *columns), strict=True))}
    db.put("secret_access_control", (pattern, user), row)
    db.announce(f"rules:{number}:{user}")
    return [{"id": row["id"], "epoch": number}]


@sql("grants")
def remove_grant(db: View, user: str, pattern: str) -> list[Row]:
    number, there = _bumped(db), db.get("secret_access_control", (pattern, user)) is not None
    if there:
        db.put("secret_access_control", (pattern, user), None)
    db.announce(f"rules:{number}:{user}")
    return [{"removed": int(there), "epoch": number}]


@sql("identities", reads=True)
def marks(db: View) -> list[Row]:
    return [{"epoch": 0, "revision": 0, "attestation": "", "names": [], "revisions": []}]


@sql("identities", reads=True)
def standings(db: View, name: str | None) -> list[Row]:
    return []


@sql("identities", reads=True)
def live_tokens(db: View, name: str | None) -> list[Row]:
    return []


@sql("identities", reads=True)
def credentials(db: View, subject: str) -> list[Row]:
    return []


@sql("connection", reads=True)
def holders(db: View, pid: int) -> list[Row]:
    return []  # who is in the way is for people to know


@sql("feed")
def mark(db: View) -> list[Row]:
    return [{"mark": db.next("rotation_fences")}]


@sql("feed", reads=True)
def beat(db: View) -> list[Row]:
    told = {"now": db.now, "rules": _epoch(db), "identities": 0, "timeline": "00000001:1", "accepted": 0}
    return [{**told, "revision": db.last("secret_revisions"), "sealing": None, "activation": None}]


@sql("feed", reads=True)
def announced(db: View, names: Sequence[str]) -> list[Row]:
    last = db.last("secret_revisions")
    found = {name: db.get("secrets_vault", name) for name in names}
    return [{"name": name, "revision": row and row["revision"], "last_revision": last} for name, row in found.items()]


@sql("clock", reads=True)
def look(db: View) -> list[Row]:
    return [{"now": db.now, "newest": max((row["timestamp"] for row in db.rows(TABLE)), default=None)}]


@sql("scrubbing")
def begin(db: View, interval: timedelta) -> list[Row]:
    return []  # it is never time


def _never(db: View, age: timedelta) -> list[Row]:
    return []  # nothing here is that old


BY_TEXT.update({text: (f"housekeeping: {name}", _never) for name, text in load("housekeeping").items()})


@sql("sync_state")
def lead(db: View, leader: UUID, lease: timedelta) -> list[Row]:
    db.lock("sync_state", ONE)
    row = db.get("sync_state", ONE) or {"fence": 0, "leader": None, "lease_until": None}
    if row["lease_until"] is not None and row["lease_until"] > db.now and row["leader"] != leader:
        return []
    held = {"leader": leader, "lease_until": db.now + lease, "fence": row["fence"] + 1}
    db.put("sync_state", ONE, {**row, **held})
    return [{"fence": held["fence"], "started_at": db.now}]


@sql("sync_state")
def renew(db: View, fence: int, lease: timedelta) -> list[Row]:
    rows = db.where("sync_state", fence=fence)
    for _ in rows:
        db.change("sync_state", ONE, lease_until=db.now + lease)
    return [{"one": 1} for _ in rows]


@sql("sync_state")
def finish(db: View, fence: int, started_at: Any, error: str | None, lacking: str | None) -> list[Row]:
    rows = db.where("sync_state", fence=fence)
    for _ in rows:
        db.change("sync_state", ONE, leader=None, lease_until=None)
    return [{"one": 1} for _ in rows]


@sql("kept_out")
def put(db: View, name: str, *columns: Any) -> list[Row]:
    told = ("reason", "detail", "since", "attempts", "next_attempt_at", "vault_updated_at")
    db.put("kept_out", name, {"name": name, **dict(zip(told, columns, strict=True))})
    return []


@sql("kept_out")
def forget(db: View, names: Sequence[str]) -> list[Row]:
    for name in names:
        if db.get("kept_out", name) is not None:
            db.put("kept_out", name, None)
    return []


@sql("kept_out", reads=True)
def kept_out__names(db: View, limit: int) -> list[Row]:
    return sorted(db.rows("kept_out"), key=lambda row: str(row["name"]))[:limit]
