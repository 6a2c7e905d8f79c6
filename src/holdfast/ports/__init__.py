"""What the use cases need from outside, as promises. One contract suite holds every adapter to them.

Every method may raise ``BackendUnavailable`` when its backend does not answer; what else it raises is said at each.
"""

from holdfast.domain.sealed import Place, SealedValue
from holdfast.ports.access import GrantStore, RequestLog, RuleKind, StoredRule
from holdfast.ports.audit import (
    AuditArchive,
    AuditLog,
    AuditSink,
    BackendHealth,
    ChainHead,
    Reports,
    VaultTotals,
)
from holdfast.ports.backup import (
    BackupFiles,
    BackupHeader,
    BackupPart,
    BackupSummary,
    BackupWriter,
    Counter,
    Counters,
    OpenBackup,
    Partition,
    Progress,
    Shape,
    Snapshot,
    SnapshotSource,
    Step,
    Table,
    TableEnd,
)
from holdfast.ports.break_glass import (
    BreakGlassStore,
    EmergencyTransaction,
    codes_facts,
    request_facts,
    vote_facts,
)
from holdfast.ports.caching import Cache, CacheEntry
from holdfast.ports.clock import Clock
from holdfast.ports.feed import Feed, FeedListener
from holdfast.ports.identities import (
    ClientRecord,
    ClientStore,
    IdentityRecord,
    IdentityStore,
    Standing,
    StoredToken,
    TokenRecord,
    TokenStore,
    TotpOutcome,
    TotpStore,
)
from holdfast.ports.journal import Journal, JournalStatus, SyncLease, SyncState, SyncStatus
from holdfast.ports.keys import KeyRegistry, KeyStore, NodeRing, Ring
from holdfast.ports.ledger import Head, Ledger, LedgerTransaction, StoredVersion
from holdfast.ports.nodes import NodeRecord, NodeStore, Presences
from holdfast.ports.notices import Channel, NoticeStore, Notifier
from holdfast.ports.rotation import (
    Consumers,
    HandlerLookup,
    Rotation,
    RotationHandler,
    RotationSchedule,
    RotationStore,
)
from holdfast.ports.sealing import Sealer
from holdfast.ports.telemetry import SILENCE, Reading, Silence, Telemetry
from holdfast.ports.trail import AuditSearch, CheckpointStore, Outlet, Signing, StreamState, StreamStore
from holdfast.ports.vault import Vault, VaultVersion

__all__ = [
    "SILENCE",
    "AuditArchive",
    "AuditLog",
    "AuditSearch",
    "AuditSink",
    "BackendHealth",
    "BackupFiles",
    "BackupHeader",
    "BackupPart",
    "BackupSummary",
    "BackupWriter",
    "BreakGlassStore",
    "Cache",
    "CacheEntry",
    "ChainHead",
    "Channel",
    "CheckpointStore",
    "ClientRecord",
    "ClientStore",
    "Clock",
    "Consumers",
    "Counter",
    "Counters",
    "EmergencyTransaction",
    "Feed",
    "FeedListener",
    "GrantStore",
    "HandlerLookup",
    "Head",
    "IdentityRecord",
    "IdentityStore",
    "Journal",
    "JournalStatus",
    "KeyRegistry",
    "KeyStore",
    "Ledger",
    "LedgerTransaction",
    "NodeRecord",
    "NodeRing",
    "NodeStore",
    "NoticeStore",
    "Notifier",
    "OpenBackup",
    "Outlet",
    "Partition",
    "Place",
    "Presences",
    "Progress",
    "Reading",
    "Reports",
    "RequestLog",
    "Ring",
    "Rotation",
    "RotationHandler",
    "RotationSchedule",
    "RotationStore",
    "RuleKind",
    "SealedValue",
    "Sealer",
    "Shape",
    "Signing",
    "Silence",
    "Snapshot",
    "SnapshotSource",
    "Standing",
    "Step",
    "StoredRule",
    "StoredToken",
    "StoredVersion",
    "StreamState",
    "StreamStore",
    "SyncLease",
    "SyncState",
    "SyncStatus",
    "Table",
    "TableEnd",
    "Telemetry",
    "TokenRecord",
    "TokenStore",
    "TotpOutcome",
    "TotpStore",
    "Vault",
    "VaultTotals",
    "VaultVersion",
    "codes_facts",
    "request_facts",
    "vote_facts",
]
