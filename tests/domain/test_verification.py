"""I9: any edit, deletion, reordering, insertion or truncation before the last checkpoint is found, where it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.crypto.signing import KeyFile, Signer, key_line
from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Chain, ChainId, Entry
from holdfast.domain.checkpoint import NO_PREVIOUS, Checkpoint, Head, Pruned, digest_of, line_of, signed_bytes
from holdfast.domain.verification import Verdict, verify
from holdfast.errors import InvalidInput

RECORDS = 20_000
SIGNER = Signer(bytes(range(32)))
KEYS = KeyFile.parse("# the key of a test\n" + key_line(SIGNER.public_key))
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ONE, OTHER = ChainId(UUID(int=1), 1_700_000_000_000_000), ChainId(UUID(int=2), 1_700_000_000_000_001)


@dataclass(frozen=True)
class Trail:
    """An export and its checkpoints; the last of the records have no checkpoint yet."""

    lines: tuple[bytes, ...]
    checkpoints: tuple[bytes, ...]


def record(number: int) -> AuditRecord:
    return AuditRecord(
        timestamp=NOW + timedelta(milliseconds=number),
        user_id=f"app-{number % 50}",
        operation="get",
        name=f"secret-{number % 900}",
        success=number % 100 != 0,
        version=number % 7,
        source="cache",
        user_agent="azsdk/1.0 (x)",
    )


def head_of(entry: Entry) -> Head:
    return Head(writer=entry.chain.writer, boot=entry.chain.boot, seq=entry.seq, hash=entry.hash.hex())


def checkpoint(number: int, before: bytes | None, *heads: Head, pruned: tuple[Pruned, ...] = ()) -> bytes:
    body = Checkpoint(
        checkpoint=number,
        time=NOW,
        key=SIGNER.key_id,
        previous=digest_of(before) if before else NO_PREVIOUS,
        records=1,
        heads=heads,
        pruned=pruned,
    ).body()
    return line_of(body, SIGNER.sign(signed_bytes(body)))


def chained(chain: ChainId, count: int) -> list[Entry]:
    return Chain(chain).extend(map(record, range(count)))


@cache
def trail(count: int = RECORDS) -> Trail:
    """Two chains, one after the other; a checkpoint after every tenth of the first, and one over the second."""
    first, second = chained(ONE, count), chained(OTHER, 20)
    checkpoints: list[bytes] = []
    for tenth in range(1, 10):
        before = checkpoints[-1] if checkpoints else None
        checkpoints.append(checkpoint(tenth, before, head_of(first[tenth * count // 10 - 1])))
    checkpoints.append(checkpoint(10, checkpoints[-1], head_of(second[-1])))
    return Trail(
        tuple(entry.line() + b"\n" for entry in [*first, *second]), tuple(line + b"\n" for line in checkpoints)
    )


def judged(lines: list[bytes] | tuple[bytes, ...], checkpoints: tuple[bytes, ...] | None = None) -> Verdict:
    read = b"".join(lines).splitlines(keepends=True) if isinstance(lines, list) else lines
    return verify(read, trail().checkpoints if checkpoints is None else checkpoints, KEYS.signed)


def test_i9_an_untouched_trail_is_intact() -> None:
    assert judged(trail().lines) == Verdict(records=RECORDS + 20, proven=18_020, chains=2, checkpoints=10)


def flip(lines: list[bytes], at: int, how: int) -> None:
    line = bytearray(lines[at])
    line[how // 8 % (len(line) - 1)] ^= 1 << how % 8
    lines[at] = bytes(line)


def drop(lines: list[bytes], at: int, how: int) -> None:
    del lines[at : at + 1 + how % 5]


def swap(lines: list[bytes], at: int, how: int) -> None:
    other = at + 1 + how % 5
    lines[at], lines[other] = lines[other], lines[at]


def insert(lines: list[bytes], at: int, how: int) -> None:
    lines.insert(at, lines[how % at if at else 5])


def forge(lines: list[bytes], at: int, how: int) -> None:
    """Everything from here on made anew, hashes and all: only a checkpoint tells."""
    forged = Chain(ONE).extend(record(number + (how + 1 if number >= at else 0)) for number in range(RECORDS))
    lines[: len(forged)] = [entry.line() + b"\n" for entry in forged]


def truncate(lines: list[bytes], at: int, how: int) -> None:
    del lines[at:RECORDS]


TAMPERINGS = [flip, drop, swap, insert, truncate]


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, 17_990), how=st.integers(0, 100_000))
def test_i9_whatever_is_done_to_a_record_is_found_at_that_record(
    tamper: Callable[[list[bytes], int, int], None], at: int, how: int
) -> None:
    lines = list(trail().lines)
    tamper(lines, at, how)
    verdict = judged(lines)
    assert not verdict.intact
    first = verdict.problems[0]
    assert first.seq == at + 1
    if tamper is not truncate:
        assert first.line == at + 1


@settings(max_examples=5, deadline=None)
@given(at=st.integers(0, 17_999), how=st.integers(0, 100))
def test_i9_a_chain_made_anew_is_found_at_the_next_checkpoint(at: int, how: int) -> None:
    lines = list(trail().lines)
    forge(lines, at, how)
    first = judged(lines).problems[0]
    assert first.seq == (at // 2_000 + 1) * 2_000
    assert "rewritten" in first.what


def test_i9_a_whole_chain_that_is_left_out_is_missed() -> None:
    verdict = judged(trail().lines[:RECORDS])
    (problem,) = verdict.problems
    assert str(problem).startswith(f"{OTHER}, seq 1: records 1 to 20 are missing, unless")
    assert judged(trail().lines[:RECORDS], trail().checkpoints[:9]).intact
    assert verify(trail().lines[:RECORDS], trail().checkpoints, KEYS.signed, up_to=9).intact


def test_an_export_older_than_some_checkpoints_is_told_from_a_broken_one() -> None:
    lines, checkpoints = trail().lines, trail().checkpoints
    early = judged([*lines[:17_000], *lines[RECORDS:]])
    assert (early.intact, early.only_early, early.whole_to, early.next_at) == (False, True, 8, NOW)
    assert verify([*lines[:17_000], *lines[RECORDS:]], checkpoints, KEYS.signed, up_to=8).intact
    both = judged(lines[:5_000])  # neither the end of one chain nor anything of the other
    assert (both.only_early, both.early, both.whole_to) == (True, 2, 2)
    broken = judged([*lines[:100], *lines[101:17_000], *lines[RECORDS:]])
    assert (broken.only_early, broken.whole_to) == (False, 8)
    assert (judged(lines).only_early, judged(lines).whole_to) == (False, None)
    nothing = judged([])
    assert (nothing.only_early, nothing.whole_to) == (True, 0)


def test_what_comes_after_the_last_checkpoint_may_end_anywhere() -> None:
    assert judged(trail().lines[:19_000] + trail().lines[RECORDS:]).intact
    assert judged([*trail().lines[:-1], trail().lines[-1].rstrip(b"\n")]).intact


def test_a_gap_after_the_last_checkpoint_is_told_with_a_hint() -> None:
    lines = trail().lines
    verdict = judged([*lines[:19_000], *lines[19_001:]])
    assert [problem.seq for problem in verdict.problems] == [19_001]
    assert "local log" in verdict.problems[0].what


@pytest.mark.parametrize("number", range(10))
def test_i9_a_checkpoint_that_is_left_out_or_changed_is_missed(number: int) -> None:
    checkpoints = trail().checkpoints
    if number < 9:
        assert not judged(trail().lines[:10], checkpoints[:number] + checkpoints[number + 1 :]).intact
    changed = checkpoints[number].replace(b'"records":1', b'"records":2')
    verdict = judged(trail().lines[:10], (*checkpoints[:number], changed, *checkpoints[number + 1 :]))
    assert verdict.problems[0].what == f"checkpoint {number + 1}: the signature is not valid"


def test_i9_checkpoints_of_another_key_count_for_nothing() -> None:
    other = KeyFile.parse(key_line(Signer(bytes(32)).public_key))
    verdict = verify(trail().lines[:10], trail().checkpoints, other.signed)
    assert verdict.checkpoints == 0
    assert verdict.problem_count == 10


def test_a_checkpoint_that_was_exported_twice_is_no_fault() -> None:
    checkpoints = trail().checkpoints
    assert judged(trail().lines, (*checkpoints[:3], checkpoints[2], *checkpoints[3:])).intact


def test_a_part_is_judged_as_a_part() -> None:
    lines = trail().lines[1_000:5_000]
    assert not judged(lines).intact
    verdict = verify(lines, trail().checkpoints, KEYS.signed, partial=True)
    assert verdict.intact
    assert verdict.proven == 3_000, "what lies behind the last checkpoint in the part is not proven by it"
    broken = [*lines[:1_800], *lines[1_801:]]
    assert verify(broken, trail().checkpoints, KEYS.signed, partial=True).problems[0].seq == 2_801


def test_what_was_pruned_with_a_signature_is_not_missed() -> None:
    entries = chained(ONE, 30)
    gone = Pruned(writer=ONE.writer, boot=ONE.boot, first=1, last=10, hash=entries[9].hash.hex())
    hole = Pruned(writer=ONE.writer, boot=ONE.boot, first=15, last=15, hash=entries[14].hash.hex())
    before = checkpoint(1, None, head_of(entries[24]))
    after = checkpoint(2, before, pruned=(gone, hole))
    lines = [entry.line() + b"\n" for entry in entries]
    kept = [*lines[10:14], *lines[15:]]
    assert judged(kept, (before, after)).intact
    assert not judged(kept, (before,)).intact
    assert judged(kept[1:], (before, after)).problems[0].seq == 11
    assert judged(lines, (before, after)).problems[0].seq == 11, "what was said to be gone is there"


def test_files_that_are_something_else_are_named() -> None:
    verdict = judged([b"a,b,c\n", b"\n", b'{"seq":1}\n'], (b"x\n",))
    assert [problem.line for problem in verdict.problems[:4]] == [1, 1, 2, 3]
    with pytest.raises(InvalidInput, match="no key"):
        KeyFile.parse("")
    with pytest.raises(InvalidInput, match="is no key"):
        KeyFile.parse("holdfast-audit-ed25519 00")
