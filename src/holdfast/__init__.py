"""Holdfast: secrets for teams on Azure Key Vault, served whatever fails underneath.

    from holdfast import create_secrets_service

    async with create_secrets_service() as service:
        secret = await service.get_secret("stripe-api-key")
"""

from holdfast.bootstrap import create_secrets_service
from holdfast.config import Settings
from holdfast.domain.changes import KEEP
from holdfast.domain.policy import AccessContext
from holdfast.domain.secret import RotationPolicy, Secret, SecretVersion, Source, WriteResult
from holdfast.errors import (
    AccessDenied,
    BackendUnavailable,
    CircuitOpen,
    ConfigurationError,
    Conflict,
    HoldfastError,
    IntegrityFailure,
    InvalidInput,
    SecretDisabled,
    SecretNotFound,
    StartupError,
)
from holdfast.service.manager import SecretsService

__all__ = [
    "KEEP",
    "AccessContext",
    "AccessDenied",
    "BackendUnavailable",
    "CircuitOpen",
    "ConfigurationError",
    "Conflict",
    "HoldfastError",
    "IntegrityFailure",
    "InvalidInput",
    "RotationPolicy",
    "Secret",
    "SecretDisabled",
    "SecretNotFound",
    "SecretVersion",
    "SecretsService",
    "Settings",
    "Source",
    "StartupError",
    "WriteResult",
    "create_secrets_service",
]
