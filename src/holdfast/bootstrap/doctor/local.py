"""What can be seen on this machine alone."""

import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from holdfast.bootstrap.datafolder import FOLDERS
from holdfast.bootstrap.tls import certificate_file, tls_folder
from holdfast.config import Draft, Settings
from holdfast.crypto.validity import Validity, validity_of_pem
from holdfast.domain.diagnosis import Finding
from holdfast.embedded.inspection import look_at_folder
from holdfast.errors import InvalidInput
from holdfast.ports.inspection import CertificateFacts
from holdfast.service.doctor.certificates import certificate_findings
from holdfast.service.doctor.examination import Check
from holdfast.service.doctor.local import folder_findings, settings_findings


def local_checks(draft: Draft) -> list[Check]:
    """Settings, files and certificates in files."""

    async def settings() -> Sequence[Finding]:
        return settings_findings(draft.faults, draft.given)

    async def files() -> Sequence[Finding]:
        return folder_findings(look_at_folder(draft.settings.data_dir, draft.settings.tls_key, FOLDERS))

    async def certificates() -> Sequence[Finding]:
        return certificate_findings(_certificates(draft.settings), datetime.now(UTC))

    return [
        Check(name="settings", look=settings),
        Check(name="files", look=files),
        Check(name="certificates", look=certificates),
    ]


def _certificates(settings: Settings) -> Iterator[CertificateFacts]:
    folder, own = tls_folder(settings), certificate_file(settings)
    if settings.tls_cert or own.exists():
        yield _certificate("The server's certificate", own, settings.tls_key)
    if settings.tls_cert is None and (folder / "ca.pem").exists():
        yield _certificate("The private CA", folder / "ca.pem")
    if settings.keyvault_ca is not None:
        yield _certificate("The CA file for Key Vault", settings.keyvault_ca)


def _certificate(what: str, file: Path, key: Path | None = None) -> CertificateFacts:
    whose = f"{what} ({file})"
    try:
        if key is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, password="")
        return facts(whose, validity_of_pem(file.read_bytes()))
    except InvalidInput as error:
        return CertificateFacts(whose=whose, fault=str(error))
    except ssl.SSLError:
        return CertificateFacts(whose=whose, fault=f"it and the key in {key} do not belong together, or are encrypted")
    except OSError as error:
        return CertificateFacts(whose=whose, fault=f"it or its key cannot be read ({error.strerror})")


def facts(whose: str, validity: Validity) -> CertificateFacts:
    """Return the facts about a certificate."""
    return CertificateFacts(whose=whose, starts_at=validity[0], expires_at=validity[1])
