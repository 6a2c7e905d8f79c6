"""Holdfast: secrets for teams on Azure Key Vault, served whatever fails underneath.

``create_secrets_service()`` is where to begin. Names are loaded when they are first asked for, so that the command
line can show its help without loading a database driver.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.bootstrap import create_secrets_service
    from holdfast.client.service import RemoteService, connect
    from holdfast.config import ClientSettings, Settings
    from holdfast.domain.changes import KEEP
    from holdfast.domain.policy import AccessContext
    from holdfast.domain.rotation import RotationResult
    from holdfast.domain.secret import RotationPolicy, Secret, SecretVersion, Source, WriteResult
    from holdfast.errors import (
        AccessDenied,
        AuditUnavailable,
        BackendRefused,
        BackendUnavailable,
        ChangePending,
        CircuitOpen,
        ConfigurationError,
        Conflict,
        CredentialRetired,
        GenerationMismatch,
        HoldfastError,
        IdempotencyMismatch,
        IdentityNotFound,
        IntegrityFailure,
        InvalidInput,
        KeyUnavailable,
        LeaseExpired,
        NameOutcomeUnknown,
        NameRefused,
        NameUnavailable,
        OutcomeUnknown,
        PurgeProtected,
        Rejected,
        RequestNotFound,
        RotationFailed,
        RotationInProgress,
        SecretDeleted,
        SecretDisabled,
        SecretNotFound,
        SecretOutsideValidity,
        SecretUnusable,
        StartupDelayed,
        StartupError,
        Throttled,
        TokenNotFound,
        TransitionPending,
        Unauthenticated,
        VaultRefusal,
        VersionNotFound,
    )
    from holdfast.ports.rotation import Rotation, RotationHandler
    from holdfast.service.manager import SecretsService

_HOMES: Final = {
    "holdfast.bootstrap": ("create_secrets_service",),
    "holdfast.client.service": ("RemoteService", "connect"),
    "holdfast.config": ("ClientSettings", "Settings"),
    "holdfast.domain.changes": ("KEEP",),
    "holdfast.domain.policy": ("AccessContext",),
    "holdfast.domain.rotation": ("RotationResult",),
    "holdfast.domain.secret": ("RotationPolicy", "Secret", "SecretVersion", "Source", "WriteResult"),
    "holdfast.errors": (
        "AccessDenied",
        "AuditUnavailable",
        "BackendRefused",
        "BackendUnavailable",
        "ChangePending",
        "CircuitOpen",
        "ConfigurationError",
        "Conflict",
        "CredentialRetired",
        "GenerationMismatch",
        "HoldfastError",
        "IdempotencyMismatch",
        "IdentityNotFound",
        "IntegrityFailure",
        "InvalidInput",
        "KeyUnavailable",
        "LeaseExpired",
        "NameOutcomeUnknown",
        "NameRefused",
        "NameUnavailable",
        "OutcomeUnknown",
        "PurgeProtected",
        "Rejected",
        "RequestNotFound",
        "RotationFailed",
        "RotationInProgress",
        "SecretDeleted",
        "SecretDisabled",
        "SecretNotFound",
        "SecretOutsideValidity",
        "SecretUnusable",
        "StartupDelayed",
        "StartupError",
        "Throttled",
        "TokenNotFound",
        "TransitionPending",
        "Unauthenticated",
        "VaultRefusal",
        "VersionNotFound",
    ),
    "holdfast.ports.rotation": ("Rotation", "RotationHandler"),
    "holdfast.service.manager": ("SecretsService",),
}

__all__ = [
    "KEEP",
    "AccessContext",
    "AccessDenied",
    "AuditUnavailable",
    "BackendRefused",
    "BackendUnavailable",
    "ChangePending",
    "CircuitOpen",
    "ClientSettings",
    "ConfigurationError",
    "Conflict",
    "CredentialRetired",
    "GenerationMismatch",
    "HoldfastError",
    "IdempotencyMismatch",
    "IdentityNotFound",
    "IntegrityFailure",
    "InvalidInput",
    "KeyUnavailable",
    "LeaseExpired",
    "NameOutcomeUnknown",
    "NameRefused",
    "NameUnavailable",
    "OutcomeUnknown",
    "PurgeProtected",
    "Rejected",
    "RemoteService",
    "RequestNotFound",
    "Rotation",
    "RotationFailed",
    "RotationHandler",
    "RotationInProgress",
    "RotationPolicy",
    "RotationResult",
    "Secret",
    "SecretDeleted",
    "SecretDisabled",
    "SecretNotFound",
    "SecretOutsideValidity",
    "SecretUnusable",
    "SecretVersion",
    "SecretsService",
    "Settings",
    "Source",
    "StartupDelayed",
    "StartupError",
    "Throttled",
    "TokenNotFound",
    "TransitionPending",
    "Unauthenticated",
    "VaultRefusal",
    "VersionNotFound",
    "WriteResult",
    "connect",
    "create_secrets_service",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("holdfast")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What completion in a shell or a notebook offers."""
    return [*__all__, "__version__"]
