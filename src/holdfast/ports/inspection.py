"""What adapters find out about a backend for whoever examines it. Facts only; nothing here judges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """A certificate. ``whose``: the file or the server that shows it. ``fault``: why there is none to read."""

    whose: str
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedFacts:
    """What a federated token says of itself; no one has checked it here."""

    issuer: str
    subject: str
    audience: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFacts:
    """The node's own identity in Azure. ``whom``: in words, without a secret. ``authority``: Entra ID's, where asked.

    ``fault``: why it cannot be used. ``certificate`` and ``federated``: what proves it, of the kinds that have such.
    """

    whom: str = ""
    authority: str = ""
    fault: str = ""
    certificate: CertificateFacts | None = None
    federated: FederatedFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file or folder with something private in it.

    ``mode``: permission bits; None: it is not there, or not to be seen. ``allowed``: the most that it may have.
    """

    path: Path
    mode: int | None
    allowed: int
    owner: int | None = None
    is_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """The data folder. ``free_bytes`` of ``total_bytes`` on its disk, None where it does not exist.

    ``damaged``: files of the local audit log that were set aside. ``unshipped``: its records' files.
    """

    root: Path
    user: int
    files: Sequence[FileFacts]
    free_bytes: int | None = None
    total_bytes: int | None = None
    has_cluster: bool = False
    damaged: int = 0
    unshipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A PostgreSQL server, as the connected role sees it. ``tls``: the protocol in use; None: not encrypted."""

    version: str
    major: int
    fsync: bool
    synchronous_commit: str
    full_page_writes: bool
    autovacuum: bool
    track_counts: bool
    data_checksums: bool
    max_connections: int
    reserved_connections: int
    connections: int
    in_recovery: bool
    read_only: bool
    superuser: bool
    may_create: bool
    over_socket: bool
    tls: str | None
    now: datetime
    oldest_transaction_age: int
    database_bytes: int
    slots: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFacts:
    """The schema. ``version`` 0: none yet. ``newest``: what this release works with. ``denied``: tables on which the
    role lacks rights. ``swollen``: tables with more dead rows than live ones."""

    version: int
    newest: int
    foreign_checksum: int | None = None
    denied: Sequence[str] = ()
    swollen: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """A key as the database knows it, by fingerprint. ``since``: when it began to seal, as far as is known.

    ``sealing``: it seals what is new. ``sealed``: encryptions under it so far.
    """

    key_id: str
    since: datetime
    sealing: bool
    sealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """The audit trail in the database. ``outbox``: records without a place in a chain; ``broken``: chains with a
    missing record above their last checkpoint; ``failing``: streams whose last delivery failed, with the reason."""

    outbox: int
    outbox_oldest: datetime | None
    checkpoint_at: datetime | None
    unsigned_since: datetime | None
    broken: int
    streams: int
    failing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFacts:
    """A Redis server. ``keeps``: how it writes its data to disk, empty if it does not. ``read_only``: a replica that
    takes no changes."""

    version: str
    maxmemory: int
    policy: str
    keeps: Sequence[str]
    encrypted: bool
    authenticated: bool
    over_socket: bool
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachFacts:
    """A TLS server as anybody sees it, before any login. ``date``: its own clock, read between ``asked_at`` and
    ``answered_at`` of ours, to the second. ``through``: the proxy on the way, without its credentials. ``fault``:
    why there was no answer; ``kind`` of fault is one of the table that judges it."""

    certificate: CertificateFacts | None = None
    date: datetime | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    through: str = ""
    kind: str = ""
    fault: str = ""
