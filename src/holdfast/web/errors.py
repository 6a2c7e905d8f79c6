"""Every error's status and codes, in one table. Clients match on these; the texts are ours."""

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from holdfast import errors
from holdfast.keyvault_wire.requests import MalformedBackup
from holdfast.keyvault_wire.responses import error_body
from holdfast.keyvault_wire.routes import MethodNotAllowed, NoSuchPath, SecretsOnly
from holdfast.resilience.events import Event, Log
from holdfast.web import limits
from holdfast.web.exchange import RawHeaders, Reply

_log: Final = Log(__name__)

RETRY_AFTER_S: Final = 2
"""Seconds a client is asked to wait when nobody knows better. The Python SDK obeys without a cap, so it is short."""

MAX_RETRY_AFTER_S: Final = 60
"""Seconds; the Go SDK gives up when it is asked to wait longer."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How an error looks from outside. ``text`` replaces an error's own where that could tell of our insides.

    ``code`` and ``inner_code`` are Key Vault's; our own API answers the error's own code. ``own_status`` is the status
    there, where Key Vault's is another one.
    """

    status: HTTPStatus
    code: str
    inner_code: str | None = None
    text: str | None = None
    close: bool = False
    own_status: HTTPStatus | None = None


REFUSALS: Final = frozenset({400, 403, 404, 405, 409, 412, 413, 415})
"""Statuses of Key Vault's refusals that may be handed on: none that is about our own identity or pace."""

_UNAVAILABLE: Final = Rendering(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "ServiceUnavailable",
    text="The service cannot give a safe answer at the moment; try again.",
)
_INTERNAL: Final = Rendering(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalServerError",
    text="The service failed to process this request; its log names the cause under this request id.",
)
_BAD: Final = Rendering(HTTPStatus.BAD_REQUEST, "BadParameter")
_CONFLICT: Final = Rendering(HTTPStatus.CONFLICT, "Conflict")
_NOT_FOUND: Final = Rendering(HTTPStatus.NOT_FOUND, "SecretNotFound")

_OUTER_CODES: Final[Mapping[HTTPStatus, str]] = MappingProxyType(
    {HTTPStatus.FORBIDDEN: "Forbidden", HTTPStatus.CONFLICT: "Conflict"}
)
"""The code that Key Vault writes around an inner one, by status."""

RENDERINGS: Final[Mapping[type[errors.HoldfastError], Rendering]] = MappingProxyType(
    {
        errors.InvalidInput: _BAD,
        errors.ConfigurationError: _INTERNAL,
        errors.Unauthenticated: Rendering(HTTPStatus.UNAUTHORIZED, "Unauthorized"),
        errors.AccessDenied: Rendering(HTTPStatus.FORBIDDEN, "Forbidden", "ForbiddenByRbac"),
        errors.SecretNotFound: _NOT_FOUND,
        errors.VersionNotFound: _NOT_FOUND,
        errors.IdentityNotFound: Rendering(HTTPStatus.NOT_FOUND, "IdentityNotFound"),
        errors.TokenNotFound: Rendering(HTTPStatus.NOT_FOUND, "TokenNotFound"),
        errors.RequestNotFound: Rendering(HTTPStatus.NOT_FOUND, "RequestNotFound"),
        errors.SecretUnusable: Rendering(HTTPStatus.FORBIDDEN, "Forbidden"),
        errors.SecretDisabled: Rendering(HTTPStatus.FORBIDDEN, "Forbidden", "SecretDisabled"),
        errors.SecretOutsideValidity: Rendering(HTTPStatus.FORBIDDEN, "Forbidden", "SecretOutsideValidity"),
        errors.Conflict: _CONFLICT,
        errors.GenerationMismatch: replace(_CONFLICT, own_status=HTTPStatus.PRECONDITION_FAILED),
        errors.IdempotencyMismatch: _CONFLICT,
        errors.SecretDeleted: Rendering(HTTPStatus.CONFLICT, "Conflict", "ObjectIsDeletedButRecoverable"),
        errors.TransitionPending: Rendering(HTTPStatus.CONFLICT, "Conflict", "ObjectIsBeingDeleted"),
        errors.ChangePending: Rendering(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            text="Key Vault is being asked about another change of this secret; try again.",
        ),
        errors.RotationInProgress: _CONFLICT,
        errors.CredentialRetired: _CONFLICT,
        errors.RotationFailed: Rendering(HTTPStatus.BAD_GATEWAY, "RotationFailed"),
        errors.Rejected: _BAD,
        errors.VaultRefusal: _BAD,
        errors.IntegrityFailure: _INTERNAL,
        errors.KeyUnavailable: _INTERNAL,
        errors.StartupError: _UNAVAILABLE,
        errors.StartupDelayed: _UNAVAILABLE,
        errors.BackendUnavailable: _UNAVAILABLE,
        errors.NameUnavailable: _UNAVAILABLE,
        errors.NameRefused: _UNAVAILABLE,
        errors.CircuitOpen: _UNAVAILABLE,
        errors.BackendRefused: _UNAVAILABLE,
        errors.Throttled: Rendering(
            HTTPStatus.TOO_MANY_REQUESTS, "Throttled", text="Too many requests at the moment; try again."
        ),
        errors.OutcomeUnknown: _UNAVAILABLE,
        errors.NameOutcomeUnknown: _UNAVAILABLE,
        errors.AuditUnavailable: _UNAVAILABLE,
        errors.LeaseExpired: _UNAVAILABLE,
        errors.PurgeProtected: Rendering(HTTPStatus.FORBIDDEN, "Forbidden"),
        MalformedBackup: Rendering(HTTPStatus.BAD_REQUEST, "Malformed backup blob"),
        NoSuchPath: Rendering(HTTPStatus.NOT_FOUND, "NotFound"),
        SecretsOnly: Rendering(HTTPStatus.BAD_REQUEST, "SecretsOnly"),
        MethodNotAllowed: Rendering(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        limits.PayloadTooLarge: Rendering(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", close=True),
        limits.UnsupportedEncoding: Rendering(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", close=True),
        limits.UnsupportedMediaType: Rendering(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", close=True),
        limits.RateLimited: Rendering(HTTPStatus.TOO_MANY_REQUESTS, "Throttled"),
        limits.Overloaded: Rendering(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        limits.TimedOut: replace(
            _UNAVAILABLE, text="The operation took too long and was given up; look what it did before you repeat it."
        ),
        limits.RequestTimeout: Rendering(HTTPStatus.REQUEST_TIMEOUT, "RequestTimeout", close=True),
    }
)


def rendering_of(error: Exception) -> Rendering:
    """Return the rendering of an error's nearest class; what was never meant to be raised is an internal error."""
    if isinstance(error, errors.VaultRefusal):
        return _of_vault(error)
    return next((RENDERINGS[kind] for kind in type(error).__mro__ if kind in RENDERINGS), _INTERNAL)


def _of_vault(error: errors.VaultRefusal) -> Rendering:
    """Show Key Vault's own refusal, which is a 4xx; whatever else its status is becomes 400."""
    status = HTTPStatus(error.status) if error.status in REFUSALS else HTTPStatus.BAD_REQUEST
    outer = _OUTER_CODES.get(status, error.vault_code)
    return Rendering(status, outer, error.vault_code if error.vault_code != outer else None)


def refusal(error: Exception, request_id: str, challenge: str | None = None, text: str | None = None) -> Reply:
    """Return the answer that an error becomes. Only 429 and 503 invite a retry: the SDKs repeat whatever does.

    ``text``: what to say instead of the error's own text, where that may be told.
    """
    shown = rendering_of(error)
    log_internal(error, request_id)
    body = error_body(shown.code, shown.text or text or str(error), shown.inner_code)
    return Reply(shown.status, body, refusal_headers(error, challenge), close=shown.close)


def log_internal(error: Exception, request_id: str) -> None:
    """Log an error that is nobody's fault but ours."""
    if rendering_of(error) is _INTERNAL:
        _log(Event.REQUEST_FAILED, request=request_id, reason=type(error).__name__, where=_frames(error))


def retry_after(seconds: float | None = None) -> tuple[bytes, bytes]:
    """Return a Retry-After header."""
    wait = RETRY_AFTER_S if seconds is None else min(max(math.ceil(seconds), 1), MAX_RETRY_AFTER_S)
    return (b"retry-after", str(wait).encode())


def refusal_headers(error: Exception, challenge: str | None) -> RawHeaders:
    """Return the headers that go with an error's status."""
    shown = rendering_of(error)
    if shown.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return (retry_after(getattr(error, "retry_after_s", None)),)
    if isinstance(error, MethodNotAllowed):
        return ((b"allow", ", ".join(error.allowed).encode()),)
    if shown.status is HTTPStatus.UNAUTHORIZED and challenge is not None:
        return ((b"www-authenticate", challenge.encode()),)
    return ()


def _frames(error: Exception) -> str:
    """Where it happened, without the error's text: that may quote what it choked on."""
    return "".join(traceback.format_tb(error.__traceback__))
