"""Judging the key ring against what the database was sealed with."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import KeyFacts

OLD: Final = timedelta(days=365)
"""A year: what PCI DSS 3.7.4 and NIST SP 800-57 take for a usual cryptoperiod of a key that wraps others."""

MANY: Final = 2**30
"""Encryptions: a quarter of the 2^32 that random nonces allow for one key (NIST SP 800-38D, 8.3)."""

_WRONG: Final = "docs/troubleshooting.md, 'The key is wrong'"
_ROTATE: Final = "Give the nodes a further key and `holdfast keys activate` it; docs/operations.md tells the steps."


def key_findings(ids: Sequence[str], fault: str, known: Sequence[KeyFacts], now: datetime) -> list[Finding]:
    """Judge the ring.

    Args:
        ids: fingerprints of the ring.
        fault: what the known answers say against the ring, empty if they fit.
        known: what the database knows of the keys that are in use there.
        now: the present moment.
    """
    if fault:
        return [
            failure(
                "keys",
                fault,
                why="What is stored cannot be opened, so a node refuses to start. This command wrote nothing either.",
                fix=f"Give back the key that the database names, or put it into HOLDFAST_DECRYPTION_KEYS; {_WRONG}.",
            )
        ]
    if not known:
        return [ok("keys", f"The key {ids[0]} (fingerprint) is well-formed; this database has sealed nothing yet.")]
    told = ok("keys", f"The ring holds {', '.join(ids)} (fingerprints) and opens what the database sealed.")
    return [told, *(finding for key in known if key.sealing for finding in _worn(key, now))]


def _worn(key: KeyFacts, now: datetime) -> Iterator[Finding]:
    if now - key.since > OLD:
        yield warning(
            "keys",
            f"The key {key.key_id} has sealed for {(now - key.since).days} days.",
            why="The longer a key is in use, the more is lost with it.",
            fix=_ROTATE,
        )
    if key.sealed > MANY:
        yield warning(
            "keys",
            f"The key {key.key_id} has sealed {key.sealed:,} times.",
            why="At 2^32 times its nonces may begin to repeat, and with that what it seals to show.",
            fix=_ROTATE,
        )
