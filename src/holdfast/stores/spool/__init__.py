"""The audit records of a node on its own disk."""

from holdfast.stores.spool.files import entries_in
from holdfast.stores.spool.log import AuditSpool
from holdfast.stores.spool.notes import AuditNotes

__all__ = ["AuditNotes", "AuditSpool", "entries_in"]
