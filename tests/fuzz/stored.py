"""What lies in databases, caches and files of ours, where others may have written: sealed bytes, backups, audits."""

import io
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from holdfast.cache.redis import _decode as redis_entry
from holdfast.crypto import streams
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import parse_key
from holdfast.crypto.signing import KeyFile
from holdfast.crypto.wrapped import parse_wrapped, unwrap_locally
from holdfast.domain.attributes import carried, with_carried
from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Chain, ChainId, parse_line, parse_place
from holdfast.domain.checkpoint import parse_checkpoint, parse_gap
from holdfast.domain.names import SecretName
from holdfast.domain.revocations import told_by
from holdfast.domain.sealed import SealedValue
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.domain.verification import Verifier
from holdfast.ports import CacheEntry
from holdfast.ports.places import as_text as kept_text
from holdfast.ports.places import from_text, proposal_place
from holdfast.service.secrets import content
from holdfast.service.secrets.backup import Backup
from holdfast.service.secrets.changes import Enactor
from holdfast.stores.backupfile import SealedBackupFiles, _in_order, _parts
from holdfast.stores.postgres import rows
from holdfast.stores.postgres.audit import readable
from holdfast.stores.postgres.hints import Hints
from holdfast.stores.spool.files import framed, whole_entries
from tests.crypto.support import a_place
from tests.fuzz.borders import NOW, RING
from tests.fuzz.target import Target, as_json, as_text, one_of, shaped

ENVELOPE: Final = Envelope(RING)
NAME: Final = SecretName("a")
WRITER: Final = UUID("6f0b3c1e-28a7-4a7e-9a0e-0c1d2e3f4a5b")


@cache
def _sealed() -> SealedValue:
    return ENVELOPE.seal(a_place(), SecretValue("value"))


def _envelope(data: bytes) -> None:
    """The bytes change one column, or give them all."""
    key, wrapped, iv, rest = data[:16], data[16:56], data[56:68], data[68:]
    given = SealedValue(
        key_id=key.decode("latin-1"), wrapped_key=wrapped, iv=iv, ciphertext=rest[:-16], auth_tag=rest[-16:]
    )
    with suppress(Exception):
        ENVELOPE.open(a_place(), _sealed())
    ENVELOPE.open(a_place(), given)
    raise AssertionError("bytes that no one sealed were opened")


def _attestation(text: str) -> None:
    ENVELOPE.verify(b"facts", text)
    assert text == ENVELOPE.attest(b"facts")


def _blob(data: bytes) -> None:
    ENVELOPE.open_bytes("p", b"", data)
    raise AssertionError("bytes that no one sealed were opened")


def _stream(data: bytes) -> None:
    for _ in streams.opened(bytes(32), b"", io.BytesIO(data).read):
        pass
    raise AssertionError("bytes that no one sealed were opened")


def _wrapped(text: str) -> None:
    found = parse_wrapped(text)
    assert parse_wrapped(found.line) == found
    unwrap_locally(bytes(32), found.by_local or b"")


def _kept(data: bytes) -> None:
    assert from_text(kept_text(data)) == data
    from_text(data)


def _backup_of_a_secret(data: bytes) -> None:
    """Sealed by us, with anything in it: an older release, or a key that leaked."""
    backup = Backup(
        **dict.fromkeys(("ledger", "mirror", "clock", "guard", "policies", "announcer"), cast("Any", None)),
        sealer=ENVELOPE,
    )
    backup.unpack(ENVELOPE.seal_bytes("backup", b"", _packed(data)))


_PACKED: Final = (
    *("display_name", "versions", "description", "notify_on_expiry", "rotation_policy", "version", "version_id"),
    *("value", "enabled", "created_at", "updated_at", "not_before", "expires_at", "content_type", "tags", "carried"),
    *("checked_at", "as_of"),
)


def _packed(data: bytes) -> bytes:
    return msgspec.msgpack.encode(_without_giants(shaped(data[1:], _PACKED))) if data[:1] == b"\xff" else data


def _without_giants(made: Any) -> Any:
    """MessagePack has no integers beyond 64 bits, and no lone surrogates."""
    if isinstance(made, dict):
        return {key: _without_giants(value) for key, value in made.items()}
    if isinstance(made, list):
        return list(map(_without_giants, made))
    if isinstance(made, int) and not isinstance(made, bool):
        return max(-(2**63), min(2**63, made))
    return made.encode(errors="replace").decode() if isinstance(made, str) else made


def _change(data: bytes) -> None:
    intent = cast("Any", SimpleNamespace(id=WRITER, name=NAME))
    sealed = ENVELOPE.seal_bytes("proposal", proposal_place(WRITER, NAME), data)
    Enactor(ENVELOPE).opened(intent, sealed)


def _cached(data: bytes) -> None:
    entry = redis_entry(data)
    if entry is not None:
        assert content.unseal(ENVELOPE, NAME, entry) is None
    blob = ENVELOPE.seal_bytes("cache", f"{NAME}:1".encode(), _packed(data))
    found = content.unseal(ENVELOPE, NAME, CacheEntry(revision=1, sealed=blob))
    if found is not None:
        content.answer(NAME, found, cast("Any", "cache"), NOW, stale=False, refuse_outside_validity=True)


def _backup_file(data: bytes) -> None:
    files = SealedBackupFiles(ENVELOPE, RING.ids)
    path = Path("/dev/shm") / "holdfast-fuzz-backup"
    path.write_bytes(data)
    files.verify(path, lambda *_: None)
    raise AssertionError("bytes that no one sealed were opened")


def _backup_parts(data: bytes) -> None:
    list(_in_order(_parts(iter([data[: len(data) // 2], data[len(data) // 2 :]]))))


def _audit_file(data: bytes) -> None:
    entries, _ = whole_entries(data)
    again, damaged = whole_entries(b"".join(framed(entry.line()) for entry in entries))
    assert (again, damaged) == (entries, False)


def _framed_lines(data: bytes) -> None:
    """The same with checksums that hold, so that what is behind them is tried as well."""
    _audit_file(b"".join(framed(line) for line in data.split(b"\n")))


def _line(data: bytes) -> None:
    entry = parse_line(data)
    assert entry.line() == data
    assert parse_place(data) == (entry.chain, entry.seq)


def _export(data: bytes) -> None:
    checkpoints, _, records = data.partition(b"\n\n")
    verifier = Verifier(lambda key, body, signature: signature[:1] != b"\0")
    verifier.checkpoints(checkpoints.splitlines(keepends=True))
    verdict = verifier.records(records.splitlines(keepends=True))
    assert verdict.proven <= verdict.records
    list(map(str, verdict.problems))


def _told(data: bytes) -> None:
    operation, _, detail = data.decode("utf-8", "replace").partition(" ")
    record = AuditRecord(user_id="a", operation=operation, name="*", timestamp=NOW, success=True, detail=detail)
    told = told_by([record, record])
    list(map(str, told.revocations))


def _carried(text: str) -> None:
    try:
        found = with_carried(Attributes(), text)
    except ValueError:
        return
    assert with_carried(Attributes(), carried(found)) == found


def _edited_row(data: bytes) -> None:
    """What a database administrator may write into the columns of a secret."""
    metadata, _, rest = data.partition(b"\n")
    tags, _, kept = rest.partition(b"\n")
    row = {"enabled": True, "not_before": None, "expires_at": NOW, "content_type": None}
    rows.settings_of(metadata.decode("utf-8", "replace"), "a")
    rows.attributes_in(
        {**row, "tags": tags.decode("utf-8", "replace"), "carried": kept.decode("utf-8", "replace")}, "a"
    )


def _notify(text: str) -> None:
    hints = Hints()
    for line in text.split("\n"):
        hints.add(line)
    names, missed = hints.take()
    assert missed or all(name in text for name in names)


def chain_of(*records: AuditRecord) -> Chain:
    """A chain with these records in it; seeds are made of it."""
    chain = Chain(ChainId(WRITER, 1))
    chain.advance(chain.extend(records))
    return chain


_LINE: Final = (
    *("writer", "boot", "seq", "hash", "user_id", "operation", "name", "timestamp", "success", "detail", "checkpoint"),
    *("time", "key", "previous", "records", "heads", "pruned", "lost", "signature", "first", "last", "by"),
)
_ROW: Final = ("description", "notify_on_expiry", "rotation_policy", "rotate_every", "rotation_author", "groups", "id")
_CARRIED: Final = ("nbf", "exp", "empty_tags", "vault", "managed", "kid", "recovery_level", "recoverable_days")

TARGETS: Final = (
    Target(
        "sealed values",
        one_of(_envelope, as_text(_attestation), _blob, _stream, as_text(_wrapped), as_text(parse_key), _kept),
        ("crypto.envelope", "crypto.blobs", "crypto.streams", "crypto.wrapped", "crypto.keyring", "ports.places"),
    ),
    Target(
        "backups",
        one_of(_backup_of_a_secret, _backup_file, _backup_parts),
        ("service.secrets.backup", "stores.backupfile"),
    ),
    Target(
        "cached and proposed",
        one_of(_cached, as_json(_change)),
        ("cache.redis", "service.secrets.content", "service.secrets.changes"),
    ),
    Target(
        "audit files",
        one_of(_audit_file, _framed_lines, _line, as_json(parse_place, *_LINE), as_json(parse_checkpoint, *_LINE)),
        ("stores.spool.files", "domain.chain", "domain.checkpoint"),
    ),
    Target(
        "audit exports",
        one_of(_export, _told, as_text(parse_gap), as_text(KeyFile.parse)),
        ("domain.verification", "domain.revocations", "crypto.signing"),
    ),
    Target(
        "carried attributes",
        as_json(lambda data: _carried(data.decode("utf-8", "replace")), *_CARRIED),
        ("domain.attributes",),
    ),
    Target(
        "edited rows",
        one_of(as_json(_edited_row, *_ROW), as_json(lambda data: readable(data.decode("utf-8", "replace")), *_LINE)),
        ("stores.postgres.rows", "stores.postgres.audit"),
    ),
    Target("notifications", as_text(_notify), ("stores.postgres.hints",)),
)
