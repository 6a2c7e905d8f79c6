"""Judging the nodes on one database, by what they report of themselves."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from holdfast.domain.diagnosis import Finding, ok, warning
from holdfast.ports import NodeRecord
from holdfast.resilience.quota import KEY_VAULT_LIMITS, QuotaKind

NEARLY_ALL: Final = 0.8

_CHECK: Final = "nodes"


def node_findings(nodes: Sequence[NodeRecord], stale: Sequence[tuple[str, datetime]]) -> list[Finding]:
    """Judge them. ``stale``: name and last sign of life of those that went without a goodbye within the last hour."""
    found = [*_versions(nodes), *_troubles(nodes), *map(_stale, stale)]
    return [ok(_CHECK, f"{len(nodes)} node process(es) serve now."), *found]


def quota_findings(nodes: Sequence[NodeRecord]) -> list[Finding]:
    """Judge what all nodes together ask of Key Vault, by what each counted in the ten seconds before it reported."""
    used = {kind: sum(_calls(node, kind) for node in nodes) for kind in KEY_VAULT_LIMITS}
    told = ", ".join(f"{used[kind]} of {limit} calls ({kind})" for kind, limit in KEY_VAULT_LIMITS.items())
    if all(used[kind] < NEARLY_ALL * limit for kind, limit in KEY_VAULT_LIMITS.items()):
        return [ok("quota", f"Key Vault's quota per 10 s: {told}.")]
    return [
        warning(
            "quota",
            f"Key Vault's quota per 10 s is nearly used up: {told}.",
            why="Beyond it Key Vault answers 429: reads come from the mirror, and changes wait.",
            fix="Lengthen SECRET_CACHE_TTL, share a cache with REDIS_URL, or divide the secrets among several vaults.",
        )
    ]


def _calls(node: NodeRecord, kind: QuotaKind) -> int:
    return sum((each.calls or {}).get(kind, 0) for each in node.backends)


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
