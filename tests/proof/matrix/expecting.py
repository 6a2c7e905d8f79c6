"""What must come of each cell, said by rules: more than one outcome only where it is a matter of moments."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.proof.matrix.cells import CHANGES, Cell, Ill, Op, Outcome, Part, Start

Expected = frozenset[Outcome]

_WELL: Final = frozenset({Outcome.WELL})
_STALE: Final = frozenset({Outcome.STALE})
_LATER: Final = frozenset({Outcome.LATER})
_REFUSED: Final = frozenset({Outcome.REFUSED})
_ONCE: Final = frozenset({Outcome.ONCE})
_READS: Final = frozenset({Op.READ, Op.FIRST_READ})
_TOLD_TO_THE_VAULT: Final = CHANGES - {Op.RULE}


def expected(cell: Cell) -> Expected:
    """Return the outcomes that a cell may have."""
    return _RULES[cell.fault.part](cell)


def _without_vault(cell: Cell) -> Expected:
    """The mirror answers, and says so; changes count here, and get there later. What is ours alone notices nothing."""
    once = _WELL if cell.fault.ill is Ill.RESET else frozenset[Outcome]()
    if cell.op in _READS:
        return _STALE | once
    if cell.op in _TOLD_TO_THE_VAULT:
        return _LATER | once
    return _WELL


def _without_postgres(cell: Cell) -> Expected:
    """Memory, Redis and Key Vault answer under the grants last known, and nothing changes. A node that starts waits."""
    if cell.fault.ill in {Ill.RESET, Ill.DRIP}:
        return _unsteady(cell)
    if cell.start is Start.COLD or cell.op in CHANGES:
        return _REFUSED
    if cell.op is Op.LOG_IN or cell.fault.ill is Ill.READ_ONLY:
        return _WELL
    return _STALE if cell.op in _READS else _REFUSED


def _unsteady(cell: Cell) -> Expected:
    """A link over which some gets through, and some does not."""
    if cell.op in _READS:
        return _WELL | _STALE
    if cell.op in CHANGES:
        return _WELL | _LATER | _REFUSED | _ONCE
    return _WELL | _REFUSED


def _as_ever(cell: Cell) -> Expected:
    """Nothing changes. The first question of a new node to Key Vault may take longer than a read waits for it."""
    return _WELL | _STALE if cell.start is Start.COLD and cell.op in _READS else _WELL


def _without_audit_file(cell: Cell) -> Expected:
    """It is for the time when PostgreSQL is away: where neither takes records, nothing is disclosed or done."""
    return _REFUSED if cell.fault.ill in {Ill.FULL_ALONE, Ill.EIO_ALONE} else _as_ever(cell)


def _without_node(cell: Cell) -> Expected:
    """The other one answers, and what was under way takes effect once."""
    under_way = cell.start is Start.WARM and cell.op in CHANGES
    return _as_ever(cell) | (_ONCE if under_way else frozenset())


_RULES: Final[Mapping[Part, Callable[[Cell], Expected]]] = {
    Part.VAULT: _without_vault,
    Part.TOKENS: _without_vault,
    Part.POSTGRES: _without_postgres,
    Part.REDIS: _as_ever,
    Part.AUDIT: _without_audit_file,
    Part.NODE: _without_node,
}
