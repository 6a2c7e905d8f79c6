"""Compliance reports of a node."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from holdfast.bootstrap.audit import AuditParts
from holdfast.bootstrap.release import release
from holdfast.bootstrap.tls import certificate_file
from holdfast.config import Settings
from holdfast.crypto.signing import KeyFile
from holdfast.crypto.validity import validity_of_pem
from holdfast.errors import InvalidInput
from holdfast.ports import Clock
from holdfast.ports.inspection import CertificateFacts
from holdfast.service.compliance.reporting import Reporting
from holdfast.service.compliance.trail import Verification
from holdfast.stores.postgres.compliance import PostgresQueries
from holdfast.stores.postgres.database import Database, Installation


class NodeSurroundings:
    """Implements ``ports.compliance.Surroundings`` on settings and files of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def certificate(self) -> CertificateFacts | None:
        """See the port."""
        path = certificate_file(self._settings)
        with suppress(OSError, InvalidInput):
            starts_at, expires_at = validity_of_pem(path.read_bytes())
            return CertificateFacts(whose=str(path), starts_at=starts_at, expires_at=expires_at)
        return None

    def settings(self) -> Mapping[str, str]:
        """See the port."""
        redis, kept = self._settings.redis_url, self._settings.audit_retention
        return {
            "keyvault": "over TLS (https)" if self._settings.vault_url else "",
            "redis": _redis(redis) if redis else "",
            "retention": f"{kept.days} days at least" if kept is not None else "",
            "checkpoints": ", ".join(sorted({urlsplit(each).scheme for each in self._settings.audit_checkpoints})),
        }


def _redis(url: str) -> str:
    scheme = urlsplit(url).scheme
    return {"rediss": "over TLS", "unix": "over a local socket"}.get(scheme, "without encryption")


def verification_of(audit: AuditParts) -> Verification:
    """Return what verifies the newest part of the trail."""
    return Verification(
        trail=audit.search,
        checkpoints=audit.checkpoint_store,
        public_keys=audit.public_keys,
        signed_by=lambda keys: KeyFile(keys).signed,
    )


def open_compliance(
    settings: Settings,
    database: Database,
    installation: Installation,
    *,
    audit: AuditParts,
    ignored_rules: Callable[[], int],
    clock: Clock,
) -> Reporting:
    """Return what makes reports."""
    return Reporting(
        queries=PostgresQueries(database),
        surroundings=NodeSurroundings(settings),
        verification=verification_of(audit),
        ignored_rules=ignored_rules,
        clock=clock,
        installation=installation.id,
        release=release(),
    )
