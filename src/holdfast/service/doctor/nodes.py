"""Judging the nodes on one database, by what they report of themselves."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from holdfast.domain.diagnosis import Finding, ok, warning
from holdfast.ports import NodeRecord

_CHECK: Final = "nodes"


def node_findings(nodes: Sequence[NodeRecord], stale: Sequence[tuple[str, datetime]]) -> list[Finding]:
    """Judge them. ``stale``: name and last sign of life of those that went without a goodbye within the last hour."""
    found = [*_versions(nodes), *_troubles(nodes), *map(_stale, stale)]
    return [ok(_CHECK, f"{len(nodes)} node process(es) serve now."), *found]


def _versions(nodes: Sequence[NodeRecord]) -> Iterator[Finding]:
    releases = sorted({node.release for node in nodes})
    if len(releases) > 1:
        yield warning(
            _CHECK,
            f"Nodes of different releases serve: {', '.join(releases)}.",
            why="That is meant for the length of an upgrade; older ones do not know what newer ones offer.",
            fix="Upgrade those that are left; `holdfast status` names them.",
        )


def _troubles(nodes: Sequence[NodeRecord]) -> Iterator[Finding]:
    for node in nodes:
        down = [each.name for each in node.backends if each.configured and not each.healthy]
        if down:
            yield warning(
                _CHECK,
                f"{node.name} has trouble with {', '.join(down)}.",
                why="What one node cannot reach, its callers feel alone.",
                fix="Run `holdfast doctor` on that machine.",
            )


def _stale(node: tuple[str, datetime]) -> Finding:
    name, seen_at = node
    return warning(
        _CHECK,
        f"{name} was last heard of at {seen_at:%H:%M:%S} UTC and did not say goodbye.",
        why="It was killed or is cut off from PostgreSQL; its local audit log may hold records.",
        fix="Start it again on the same data folder.",
    )
