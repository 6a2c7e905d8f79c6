"""What an examination of an installation finds: never a secret, always what to do."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Level(enum.StrEnum):
    """How grave a finding is. ``SKIPPED``: it could not be looked at, for a reason that another finding tells."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. ``why`` it matters and how to ``fix`` it are empty where all is well."""

    check: str
    level: Level
    found: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings, in the order of the checks."""

    findings: Sequence[Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing fails; warnings may remain."""
        return self.count(Level.FAILURE) == 0

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(finding.level is level for finding in self.findings)


def ok(check: str, found: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, level=Level.OK, found=found)


def skipped(check: str, found: str) -> Finding:
    """Return that something could not be looked at."""
    return Finding(check=check, level=Level.SKIPPED, found=found)


def warning(check: str, found: str, *, why: str, fix: str) -> Finding:
    """Return what works, and should not stay so."""
    return Finding(check=check, level=Level.WARNING, found=found, why=why, fix=fix)


def failure(check: str, found: str, *, why: str, fix: str) -> Finding:
    """Return what does not work, or puts secrets at risk."""
    return Finding(check=check, level=Level.FAILURE, found=found, why=why, fix=fix)
