"""Judging the key ring against what the database was sealed with."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning

OLD: Final = timedelta(days=365)
"""A year: what PCI DSS 3.7.4 and NIST SP 800-57 take for a usual cryptoperiod of a key that wraps others."""

WRONG_KEY: Final = "docs/troubleshooting.md, 'The key is wrong'"


def key_findings(ids: Sequence[str], fault: str, born: Mapping[str, datetime], now: datetime) -> list[Finding]:
    """Judge the ring.

    Args:
        ids: fingerprints of the ring, the sealing key first.
        fault: what the known answers say against the ring, empty if they fit.
        born: when each key that the database knows was first used there, by fingerprint.
        now: the present moment.
    """
    if fault:
        return [
            failure(
                "keys",
                fault,
                why="What is stored cannot be opened, so a node refuses to start. This command wrote nothing either.",
                fix=f"Give back the key that the database names, or put it into HOLDFAST_DECRYPTION_KEYS; {WRONG_KEY}.",
            )
        ]
    if not born:
        return [ok("keys", f"The key {ids[0]} (fingerprint) is well-formed; this database has sealed nothing yet.")]
    found = [ok("keys", f"The ring holds {', '.join(ids)} (fingerprints) and opens what the database sealed.")]
    since = born.get(ids[0])
    if since is not None and now - since > OLD:
        found.append(
            warning(
                "keys",
                f"The key {ids[0]} has sealed for {(now - since).days} days.",
                why="The longer a key is in use, the more is lost with it.",
                fix="Rotate it: put a new key first and the old one into HOLDFAST_DECRYPTION_KEYS.",
            )
        )
    return found
