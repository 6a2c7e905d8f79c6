"""The hash chain of the audit trail: one for each start of each process.

A record in its chain is one line of JSON, the same in the local log, in streams and in exports:

    {"writer":"<uuid>","boot":<int>,"seq":<int>,<members of the record>,"hash":"<64 hex digits>"}

``hash`` is SHA-256 over the hash before it in the chain (32 bytes; zeros before the first) and the line without its
``hash`` member: exactly the bytes up to ``,"hash"``, and the closing brace. ``seq`` counts 1, 2, 3 … without gaps.
Members without a value are left out. Why the text itself is what is hashed: ADR 0007.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.errors import UNREADABLE, IntegrityFailure

GENESIS: Final = bytes(32)
"""The hash before the first record of a chain."""

OPEN: Final = "audit.open"
"""The operation that begins every chain; its detail names the last known head of the same writer."""

HASH_MEMBER: Final = b',"hash":"'
TAIL_BYTES: Final = len(HASH_MEMBER) + 64 + len(b'"}\n')
"""The end of a line from its hash member on, with the line end."""

_encode: Final = msgspec.json.Encoder().encode


class ChainId(NamedTuple):
    """``writer`` is a process's place, kept over restarts; ``boot`` grows with each start: microseconds since 1970."""

    writer: UUID
    boot: int

    def __str__(self) -> str:
        return f"writer {self.writer}, boot {self.boot}"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record at its place in a chain. ``body`` is its line without the hash."""

    chain: ChainId
    seq: int
    record: AuditRecord
    hash: bytes
    body: bytes

    def line(self) -> bytes:
        """The line, without a line end."""
        return b'%b,"hash":"%b"}' % (self.body[:-1], self.hash.hex().encode())


class Chain:
    """Where one chain ends. ``extend`` may be repeated until ``advance`` makes its entries part of the chain."""

    def __init__(self, chain: ChainId) -> None:
        self.id, self.seq, self.hash = chain, 0, GENESIS
        self._prefix = prefix_of(chain)

    def extend(self, records: Iterable[AuditRecord]) -> list[Entry]:
        """Return these records as the entries that would come next."""
        chain, prefix, seq, digest, entries = self.id, self._prefix, self.seq, self.hash, []
        for record in records:
            seq += 1
            body = b"%b%d,%b" % (prefix, seq, _encode(record)[1:])
            digest = sha256(digest + body).digest()
            entries.append(Entry(chain, seq, record, digest, body))
        return entries

    def advance(self, entries: Sequence[Entry]) -> None:
        """Take entries of ``extend`` as stored."""
        if entries:
            self.seq, self.hash = entries[-1].seq, entries[-1].hash


class _Line(AuditRecord, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    writer: UUID
    boot: int
    seq: int
    hash: str = ""


_decode: Final = msgspec.json.Decoder(_Line).decode
_FACTS: Final = AuditRecord.__struct_fields__


def prefix_of(chain: ChainId) -> bytes:
    """What every line of a chain begins with, up to its sequence number."""
    return b'{"writer":"%b","boot":%d,"seq":' % (str(chain.writer).encode(), chain.boot)


def entry_of(chain: ChainId, seq: int, record: AuditRecord, digest: bytes) -> Entry:
    """Return a stored record as an entry. Its hash is as claimed, not checked."""
    return Entry(chain, seq, record, digest, b"%b%d,%b" % (prefix_of(chain), seq, _encode(record)[1:]))


def parse_line(line: bytes) -> Entry:
    """Return the entry that a line (without its line end) holds. Its hash is as claimed, not checked.

    Raises:
        IntegrityFailure: it is no such line.
    """
    body, tail = line[: 1 - TAIL_BYTES] + b"}", line[1 - TAIL_BYTES :]
    try:
        found = _decode(line)
        digest = bytes.fromhex(found.hash)
    except UNREADABLE:
        raise IntegrityFailure("This is no line of an audit trail") from None
    if len(digest) != len(GENESIS) or tail != b'%b%b"}' % (HASH_MEMBER, digest.hex().encode()):
        raise IntegrityFailure("This is no line of an audit trail: its hash is not its last member")
    record = AuditRecord(**{name: getattr(found, name) for name in _FACTS})
    return Entry(ChainId(found.writer, found.boot), found.seq, record, digest, body)


class _Place(msgspec.Struct, frozen=True):
    writer: UUID
    boot: int
    seq: int


_decode_place: Final = msgspec.json.Decoder(_Place).decode


def parse_place(line: bytes) -> tuple[ChainId, int]:
    """Return only where a line belongs; nothing else of it is looked at.

    Raises:
        IntegrityFailure: it does not begin as such a line does.
    """
    try:
        found = _decode_place(line)
    except UNREADABLE:
        raise IntegrityFailure("this is no line of an audit trail") from None
    chain = ChainId(found.writer, found.boot)
    if not line.startswith(b"%b%d," % (prefix_of(chain), found.seq)):
        raise IntegrityFailure("this is no line of an audit trail: its place is not what it begins with")
    return chain, found.seq


def follows(previous: bytes, entry: Entry) -> bool:
    """Whether an entry's hash is the one it must have after that hash."""
    return sha256(previous + entry.body).digest() == entry.hash


def sorted_out(entries: Sequence[Entry], stored: Mapping[int, bytes]) -> tuple[list[Entry], list[Entry]]:
    """Compare entries of one chain, in order, with the hashes that are stored of it, by seq, from the one before on.

    Returns those that are not stored and have their place free, and those whose place is another's now: it holds
    another record, or what stands before it is not what the entry follows.
    """
    missing, displaced = list[Entry](), list[Entry]()
    known = dict(stored)
    for entry in entries:
        before, there = known.get(entry.seq - 1), stored.get(entry.seq)
        if there is None and (before is None or follows(before, entry)):
            missing.append(entry)
            known[entry.seq] = entry.hash
        elif there != entry.hash:
            displaced.append(entry)
            known.setdefault(entry.seq, b"")  # which nothing follows
    return missing, displaced
