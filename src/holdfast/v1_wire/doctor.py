"""The examination of an installation."""

from holdfast.domain.diagnosis import Level
from holdfast.v1_wire.documents import Document, Request


class Examination(Request):
    """How thoroughly. ``write``: try at Key Vault what changes something, too, on a secret with a reserved name."""

    write: bool = False


class FindingDocument(Document):
    """One thing that was looked at; ``why`` it matters and how to ``fix`` it are empty where all is well."""

    check: str
    level: Level
    found: str
    why: str
    fix: str


class DiagnosisDocument(Document):
    """All findings, in the order of the checks. ``healthy``: none is a failure."""

    healthy: bool
    findings: list[FindingDocument]
