"""Signed statements on where the chains of the audit trail end.

A checkpoint is one line of JSON that ends with its signature. What is signed is the line without that member, after
``CONTEXT``. ``heads`` are the chains that grew since the checkpoint before, each with its last record: its hash stands
for every record of that chain so far. ``previous`` is SHA-256 of the line before, so that no checkpoint can be left
out unnoticed. ``pruned`` are records whose time to be kept is over: a chain goes on after them with the hash given.
``lost`` are records that no checkpoint covered when they vanished: a person has taken note of that, and the chain goes
on after them. They stay missing for whoever verifies.
"""

import re
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec

from holdfast.domain.chain import ChainId
from holdfast.errors import UNREADABLE, IntegrityFailure, InvalidInput

CONTEXT: Final = b"holdfast audit checkpoint 1\n"
"""What is put in front of a checkpoint before it is signed, so that no other signature passes for one."""

NO_PREVIOUS: Final = "0" * 64
"""What the first checkpoint names as the one before."""

_SIGNATURE_MEMBER: Final = b',"signature":"'
_TAIL: Final = len(_SIGNATURE_MEMBER) + 128 + len(b'"}')


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last record of a chain."""

    writer: UUID
    boot: int
    seq: int
    hash: str

    @property
    def chain(self) -> ChainId:
        """Whose head it is."""
        return ChainId(self.writer, self.boot)


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """Records from ``first`` to ``last``, dropped on purpose; ``hash`` is that of the last."""

    writer: UUID
    boot: int
    first: int
    last: int
    hash: str

    @property
    def chain(self) -> ChainId:
        """Whose records they were."""
        return ChainId(self.writer, self.boot)


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Records from ``first`` to ``last`` that are not there, above the last checkpoint of their chain."""

    writer: UUID
    boot: int
    first: int
    last: int

    @property
    def chain(self) -> ChainId:
        """Whose records they are."""
        return ChainId(self.writer, self.boot)

    @property
    def name(self) -> str:
        """How a person names it."""
        return f"{self.writer}/{self.boot}/{self.first}-{self.last}"


GAP_PATTERN: Final = (
    "^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([1-9][0-9]{0,17})/([1-9][0-9]{0,17})-([1-9][0-9]{0,17})$"
)
"""What the name of a gap is like: writer, boot, first and last record."""

_GAP: Final = re.compile(GAP_PATTERN, re.ASCII)


def parse_gap(raw: object) -> Gap:
    """Return the gap of a name.

    Raises:
        InvalidInput: it is none.
    """
    found = _GAP.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise InvalidInput("gap must be named as `holdfast audit gaps` does: WRITER/BOOT/FIRST-LAST.", field="gap")
    return Gap(writer=UUID(found[1]), boot=int(found[2]), first=int(found[3]), last=int(found[4]))


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A gap that somebody took note of. ``by``: who."""

    writer: UUID
    boot: int
    first: int
    last: int
    by: str

    @property
    def chain(self) -> ChainId:
        """Whose records they were."""
        return ChainId(self.writer, self.boot)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement. ``records``: how many came under it since the one before. ``key``: the id of the signing key."""

    checkpoint: int
    time: datetime
    key: str
    previous: str
    records: int
    heads: tuple[Head, ...]
    pruned: tuple[Pruned, ...] = ()
    lost: tuple[Lost, ...] = ()
    signature: str = ""

    def body(self) -> bytes:
        """The line without the signature."""
        return _encode(msgspec.structs.replace(self, signature=""))


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Checkpoint).decode


def signed_bytes(body: bytes) -> bytes:
    """What is signed of a checkpoint's body."""
    return CONTEXT + body


def line_of(body: bytes, signature: bytes) -> bytes:
    """The line, without a line end, of a body and its signature."""
    return body[:-1] + _SIGNATURE_MEMBER + signature.hex().encode() + b'"}'


def digest_of(line: bytes) -> str:
    """How the next checkpoint names this line."""
    return sha256(line).hexdigest()


def parse_checkpoint(line: bytes) -> tuple[Checkpoint, bytes]:
    """Return the checkpoint in a line and the body that was signed; the signature is as claimed, not checked.

    Raises:
        IntegrityFailure: it is no such line.
    """
    try:
        found = _decode(line)
        signature = bytes.fromhex(found.signature)
    except UNREADABLE:
        raise IntegrityFailure("This is no line of checkpoints") from None
    if line[-_TAIL:] != _SIGNATURE_MEMBER + signature.hex().encode() + b'"}':
        raise IntegrityFailure("This is no line of checkpoints: the signature is not its last member")
    return found, line[:-_TAIL] + b"}"
