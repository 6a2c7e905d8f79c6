"""The offline verifier: an export and checkpoints in, the first bad record and everything else that is wrong out.

It needs no database, no settings and no trust in whoever made the export: only a public key. What it proves and what
not is told in docs/audit.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from holdfast.domain.chain import GENESIS, HASH_MEMBER, TAIL_BYTES, ChainId, parse_place, prefix_of
from holdfast.domain.checkpoint import (
    NO_PREVIOUS,
    Checkpoint,
    Head,
    Lost,
    Pruned,
    digest_of,
    parse_checkpoint,
    signed_bytes,
)
from holdfast.errors import IntegrityFailure

MAX_PROBLEMS: Final = 100
"""Problems told in full; after one tampered record others follow, and the first is the one that matters."""

Signed = Callable[[str, bytes, bytes], bool]
"""Whether the key of this id made this signature (last) of these bytes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: with which record, where it is known; ``line`` counts from 1 in its file."""

    what: str
    chain: ChainId | None = None
    seq: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.chain}, seq {self.seq}: " if self.chain else ""
        return f"{place}{self.what}" + (f" (line {self.line})" if self.line else "")


@dataclass(slots=True)
class Verdict:
    """What came out. ``proven``: records that a checkpoint stands for. ``problems`` are in the order they were met.

    ``early``: how many problems are ends of chains that later checkpoints know to go on. ``whole_to``: the last
    checkpoint all of whose records are there, and ``next_at``, when the one after it was made; None where no chain ends
    early.
    """

    records: int = 0
    proven: int = 0
    chains: int = 0
    checkpoints: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    early: int = 0
    whole_to: int | None = None
    next_at: datetime | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem_count == 0

    @property
    def only_early(self) -> bool:
        """Whether nothing is wrong but that it ends before some checkpoints: it was made before them, or cut."""
        return 0 < self.problem_count == self.early

    def add(self, problem: Problem) -> None:
        """Take note of a problem."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


class _Track:
    """One chain while its records go by. ``hash`` is None where it is not known what the next one must follow."""

    def __init__(self, chain: ChainId, heads: list[Head], pruned: list[Pruned]) -> None:
        self.chain = chain
        self.prefix = prefix_of(chain)
        self.hash: bytes | None = GENESIS
        self.computed: bytes | None = None
        self.heads = sorted(heads, key=lambda head: head.seq)
        self.pruned = sorted(pruned, key=lambda dropped: dropped.first)
        self.signed_seq = self.heads[-1].seq if self.heads else 0
        self.seen = self.proven = 0
        self.expect(1)
        self.skip_pruned()

    def expect(self, seq: int) -> None:
        self.next = seq
        self.start = b"%b%d," % (self.prefix, seq)

    def skip_pruned(self) -> None:
        """Go on behind records that were dropped on purpose."""
        while self.pruned and self.pruned[0].first <= self.next:
            dropped = self.pruned.pop(0)
            if dropped.last >= self.next:
                self.hash = bytes.fromhex(dropped.hash)
                self.expect(dropped.last + 1)
        while self.heads and self.heads[0].seq < self.next:
            del self.heads[0]


class Verifier:
    """Goes through checkpoints first, then through records.

    Args:
        signed: checks a signature.
        partial: the export is meant to begin or end in the middle of chains; only what is there is judged.
        up_to: later checkpoints are left aside: those made after the export.
    """

    def __init__(self, signed: Signed, *, partial: bool = False, up_to: int | None = None) -> None:
        self._signed, self._partial, self._up_to = signed, partial, up_to
        self._heads: dict[ChainId, list[Head]] = {}
        self._pruned: dict[ChainId, list[Pruned]] = {}
        self._lost: dict[ChainId, list[tuple[Lost, int]]] = {}
        self._counted: list[Checkpoint] = []
        self._tracks: dict[ChainId, _Track] = {}
        self._current: _Track | None = None
        self._following: _Track | None = None
        self._line = 0
        self._verdict = Verdict()

    def checkpoints(self, lines: Iterable[bytes]) -> None:
        """Take the checkpoints, in order; those that are not signed are named and count for nothing."""
        previous, number = NO_PREVIOUS, 0
        for at, ended in enumerate(lines, 1):
            line = ended.rstrip(b"\r\n")
            try:
                found, body = parse_checkpoint(line)
            except IntegrityFailure as error:
                self._verdict.add(Problem(f"checkpoint {number + 1}: {error}", line=at))
                continue
            if digest_of(line) == previous:
                continue  # exported twice: targets get checkpoints at least once
            if not self._signed(found.key, signed_bytes(body), bytes.fromhex(found.signature)):
                self._verdict.add(Problem(f"checkpoint {found.checkpoint}: the signature is not valid", line=at))
                continue
            joins = found.checkpoint == number + 1 and found.previous == previous
            if not joins and not (self._partial and number == 0):
                what = f"checkpoint {found.checkpoint} does not follow checkpoint {number}: some are missing"
                self._verdict.add(Problem(what, line=at))
            previous, number = digest_of(line), found.checkpoint
            if self._up_to is not None and number > self._up_to:
                continue
            self._verdict.checkpoints += 1
            self._counted.append(found)
            for head in found.heads:
                self._heads.setdefault(head.chain, []).append(head)
            for dropped in found.pruned:
                self._pruned.setdefault(dropped.chain, []).append(dropped)
            for lost in found.lost:
                self._lost.setdefault(lost.chain, []).append((lost, number))

    def records(self, lines: Iterable[bytes]) -> Verdict:
        """Go through the export, and return what came out of it all."""
        self.take(lines)
        return self.verdict()

    def take(self, lines: Iterable[bytes]) -> None:
        """Go through some more of the export."""
        track, at = self._following, self._line
        for at, line in enumerate(lines, self._line + 1):
            if track is None or not line.startswith(track.start):
                track = self._located(at, line)
                if track is None:
                    continue
            body = line[:-TAIL_BYTES] + b"}"
            digest = sha256((track.hash or GENESIS) + body).digest()
            if line[-TAIL_BYTES:] != b'%b%b"}\n' % (HASH_MEMBER, digest.hex().encode()):
                digest = self._judge(track, at, line, digest)
            if track.heads and track.heads[0].seq == track.next:
                self._compare(track, at, digest)
            track.hash = digest
            track.seen += 1
            track.expect(track.next + 1)
            if track.pruned:
                track.skip_pruned()
        self._following, self._line = track, at

    def verdict(self) -> Verdict:
        """Return what came out of it all, once all of the export was taken."""
        self._end()
        return self._verdict

    def _judge(self, track: _Track, at: int, line: bytes, digest: bytes) -> bytes:
        """Tell what is wrong with a line whose hash is not the expected one; returns the hash to go on with."""
        if not line.endswith(b"\n"):
            return self._judge_last(track, at, line, digest)
        claimed = _claimed(line)
        if claimed is not None:
            body = line[:-TAIL_BYTES] + b"}"
            before = track.computed
            track.computed = digest
            if track.hash is None or (before is not None and sha256(before + body).digest() == claimed):
                return claimed  # what it follows is not there, or it was the hash before that was altered
        self._verdict.add(Problem("altered: its hash does not fit", track.chain, track.next, at))
        return claimed or digest

    def _judge_last(self, track: _Track, at: int, line: bytes, digest: bytes) -> bytes:
        """A last line without its line end is cut short, unless nothing but the line end is missing."""
        whole = line + b"\n"
        digest = sha256((track.hash or GENESIS) + whole[:-TAIL_BYTES] + b"}").digest()
        if whole[-TAIL_BYTES:] == b'%b%b"}\n' % (HASH_MEMBER, digest.hex().encode()):
            return digest
        return self._judge(track, at, whole, digest)

    def _located(self, at: int, line: bytes) -> _Track | None:
        """The chain that a line belongs to, which then expects this very line; None: the line is none of a trail."""
        try:
            chain, seq = parse_place(line.rstrip(b"\r\n"))
        except IntegrityFailure as error:
            self._unreadable(at, str(error))
            return None
        track = self._tracks.get(chain)
        if track is None:
            track = _Track(chain, self._heads.get(chain, []), self._pruned.get(chain, []))
            self._tracks[chain] = track
        if seq < track.next:
            self._verdict.add(Problem(f"out of order, or inserted: seq {seq} comes again", chain, track.next, at))
            return None
        self._current = track
        if seq > track.next:
            self._gap(track, seq, at)
        return track

    def _gap(self, track: _Track, seq: int, at: int) -> None:
        """Records up to ``seq`` are not there."""
        if track.seen == 0 and not track.signed_seq and not self._partial:
            what = f"records 1 to {seq - 1} of this chain are missing, or its place was altered"
            self._verdict.add(Problem(what, track.chain, seq, at))
        elif track.seen or not self._partial:
            what = _missing(track.next, seq - 1, track.signed_seq) + self._noted(track.chain, track.next, seq - 1)
            self._verdict.add(Problem(what, track.chain, track.next, at))
        track.hash = None
        track.expect(seq)
        track.skip_pruned()

    def _noted(self, chain: ChainId, first: int, last: int) -> str:
        """Who took note of the loss of these records, and in which checkpoint; they are missing all the same."""
        noted = [each for each in self._lost.get(chain, []) if each[0].first <= first and last <= each[0].last]
        return f"; {noted[0][0].by} took note of that in checkpoint {noted[0][1]}" if noted else ""

    def _unreadable(self, at: int, what: str) -> None:
        track = self._current
        self._verdict.add(Problem(what, track.chain if track else None, track.next if track else 1, at))
        if track is not None:
            track.hash = None
            track.expect(track.next + 1)

    def _compare(self, track: _Track, at: int, digest: bytes) -> None:
        head = track.heads.pop(0)
        if digest.hex() != head.hash:
            what = "rewritten: it, or some before it, are not those that a checkpoint signed"
            self._verdict.add(Problem(what, track.chain, track.next, at))
        else:
            track.proven = track.seen + 1

    def _end(self) -> None:
        early: dict[ChainId, int] = {}
        for chain in sorted({*self._heads, *self._tracks}):
            track = self._tracks.get(chain) or _Track(chain, self._heads[chain], self._pruned.get(chain, []))
            if track.next <= track.signed_seq and not self._partial:
                what = _missing(track.next, track.signed_seq, track.signed_seq)
                what += ", unless these checkpoints were made after the export"
                self._verdict.add(Problem(what, chain, track.next))
                early[chain] = track.next
            self._verdict.chains += track.seen > 0
            self._verdict.records += track.seen
            self._verdict.proven += track.proven
        self._ends_early(early)

    def _ends_early(self, early: dict[ChainId, int]) -> None:
        """Find the first checkpoint that covers a record which, with those after it in its chain, is not there."""
        self._verdict.early = len(early)
        for each in self._counted:
            if any(head.chain in early and head.seq >= early[head.chain] for head in each.heads):
                self._verdict.whole_to, self._verdict.next_at = each.checkpoint - 1, each.time
                return


def verify(
    export: Iterable[bytes],
    checkpoints: Iterable[bytes],
    signed: Signed,
    *,
    partial: bool = False,
    up_to: int | None = None,
) -> Verdict:
    """Judge an export by checkpoints; lines come with their line ends. See ``Verifier``."""
    verifier = Verifier(signed, partial=partial, up_to=up_to)
    verifier.checkpoints(checkpoints)
    return verifier.records(export)


def _missing(first: int, last: int, signed_seq: int) -> str:
    what = f"records {first} to {last} are missing" if last > first else "the record is missing"
    return what if first <= signed_seq else f"{what}; no checkpoint covers it yet: a local log may still hold it"


def _claimed(line: bytes) -> bytes | None:
    try:
        digest = bytes.fromhex(line[-67:-3].decode("ascii"))
    except ValueError:
        return None
    return digest if len(digest) == len(GENESIS) and line.startswith(b"{") else None
