"""Every error Holdfast raises on purpose.

    HoldfastError
    ├── InvalidInput               the caller's argument breaks a documented rule
    │   └── ConfigurationError     settings are missing or broken; lists every fault
    ├── Unauthenticated            no or no valid proof of identity
    ├── AccessDenied               the grants refuse this caller this action
    │   └── PurgeProtected         no grant would help before the retention time is over
    ├── SecretNotFound             no such secret or version
    │   └── VersionNotFound
    ├── IdentityNotFound           no such identity
    ├── TokenNotFound              no API token of this id
    ├── RequestNotFound            no request for emergency access of this number, or not the caller's to see
    ├── SecretUnusable             the secret exists; its state refuses disclosure
    │   ├── SecretDisabled
    │   └── SecretOutsideValidity  expired or not yet valid, and the policy refuses those
    ├── Conflict                   the object's state or generation forbids the operation
    │   ├── GenerationMismatch
    │   ├── IdempotencyMismatch
    │   ├── SecretDeleted          deleted but recoverable: the name is taken
    │   ├── TransitionPending      a delete, recover or purge is still settling
    │   │   └── ChangePending      Key Vault is being asked about another change of the secret
    │   ├── RotationInProgress     an earlier rotation of the secret is not over
    │   └── CredentialRetired      the value to go back to no longer logs in
    ├── RotationFailed             a step of a rotation failed; both credentials are kept, and it is tried again
    ├── Rejected                   a backend refuses this request for good, whatever we retry
    │   └── VaultRefusal           Key Vault does, with this status and code
    ├── IntegrityFailure           stored bytes did not authenticate
    ├── KeyUnavailable             no key of this id in the ring
    ├── StartupError               this node cannot serve: nothing was written
    │   └── StartupDelayed         not yet: PostgreSQL is away, takes no changes, is full or locked
    └── BackendUnavailable         a backend did not answer properly; the same call may succeed later
        ├── NameUnavailable        Key Vault fails for this one secret, and answers for others
        │   └── NameRefused        it refuses us this one secret
        ├── CircuitOpen
        ├── BackendRefused         the backend refuses our own credential
        ├── Throttled              carries ``retry_after_s``
        ├── OutcomeUnknown         the request may or may not have taken effect
        │   └── NameOutcomeUnknown     so it is of a request about one secret, while others are answered
        ├── AuditUnavailable       no sink took the record, so nothing is disclosed
        └── LeaseExpired           too long without the commit point to vouch for grants

The tree knows no HTTP; ``web/errors.py`` maps it. ``code`` is stable and safe to match on.
"""

from typing import ClassVar, Final

UNREADABLE: Final = (ValueError, RecursionError)
"""What decoders of JSON, TOML and MessagePack raise at bytes that are no document: text that is no UTF-8 and numbers of
thousands of digits are a ``ValueError`` of Python's own, nesting without end is a ``RecursionError``."""


class HoldfastError(Exception):
    """Base of every error Holdfast raises on purpose. ``retryable``: may the same call succeed later?"""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class InvalidInput(HoldfastError):
    """The caller's argument breaks a documented rule; the text names the field, the limit and the fix."""

    code = "invalid_input"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ConfigurationError(InvalidInput):
    """The settings are unusable. ``faults`` lists every one of them."""

    code = "configuration"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("Configuration is unusable:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


class Unauthenticated(HoldfastError):
    """No proof of identity, or one that does not hold."""

    code = "unauthenticated"


class AccessDenied(HoldfastError):
    """No grant allows this caller this action."""

    code = "access_denied"


class PurgeProtected(AccessDenied):
    """Purge protection refuses the purge until the retention time is over; no grant would help."""

    code = "purge_protected"


class SecretNotFound(HoldfastError):
    """No such secret in any tier that could know."""

    code = "secret_not_found"


class VersionNotFound(SecretNotFound):
    """The secret exists; this version of it does not."""

    code = "version_not_found"


class IdentityNotFound(HoldfastError):
    """Nothing is kept about an identity of this name."""

    code = "identity_not_found"


class TokenNotFound(HoldfastError):
    """No API token has this id."""

    code = "token_not_found"


class RequestNotFound(HoldfastError):
    """No request for emergency access has this number, or the caller is not to know of it."""

    code = "request_not_found"


class SecretUnusable(HoldfastError):
    """The secret exists, and its state refuses disclosure on every tier."""

    code = "secret_unusable"


class SecretDisabled(SecretUnusable):
    """The secret or this version of it is disabled."""

    code = "secret_disabled"


class SecretOutsideValidity(SecretUnusable):
    """The secret is expired or not yet valid, and the policy in force refuses such reads."""

    code = "secret_outside_validity"


class Conflict(HoldfastError):
    """The object's present state forbids the operation."""

    code = "conflict"


class GenerationMismatch(Conflict):
    """``expected_generation`` is not the current one: someone else wrote in between."""

    code = "generation_mismatch"


class IdempotencyMismatch(Conflict):
    """The idempotency key was used before for a different request."""

    code = "idempotency_mismatch"


class SecretDeleted(Conflict):
    """The name belongs to a deleted secret that can be recovered or purged."""

    code = "secret_deleted"


class TransitionPending(Conflict):
    """A deletion, recovery or purge of this name is still settling in Key Vault."""

    code = "transition_pending"
    retryable = True


class ChangePending(TransitionPending):
    """Key Vault is being asked about another change of this secret, which ends within seconds."""

    code = "change_pending"


class RotationInProgress(Conflict):
    """An earlier rotation of the secret is not over: it can be waited for, resumed or cancelled."""

    code = "rotation_in_progress"


class CredentialRetired(Conflict):
    """The value to go back to no longer logs in at its target."""

    code = "credential_retired"


class RotationFailed(HoldfastError):
    """A step of a rotation failed. Both credentials are kept, and the step is tried again later."""

    code = "rotation_failed"
    retryable = True


class Rejected(HoldfastError):
    """The backend refuses this very request (a 4xx of substance): retrying it unchanged cannot help."""

    code = "rejected"


class VaultRefusal(Rejected):
    """Key Vault refuses this change for good, though the vault is well: by a policy, a missing right, a limit.

    ``status`` is the HTTP status of its answer, ``vault_code`` the inner code of it, or else the code. The surfaces
    answer with both.
    """

    status: int = 400
    vault_code: str = "BadParameter"

    def __init__(self, message: str, *, status: int = 400, vault_code: str = "BadParameter") -> None:
        super().__init__(message)
        self.status = status
        self.vault_code = vault_code


class IntegrityFailure(HoldfastError):
    """Stored bytes did not authenticate: tampered with, swapped, rolled back or sealed for another place."""

    code = "integrity_failure"


class KeyUnavailable(HoldfastError):
    """The key ring holds no key of the id that sealed these bytes."""

    code = "key_unavailable"


class StartupError(HoldfastError):
    """This node cannot serve; the text says why and what to do. Nothing was written."""

    code = "startup"


class StartupDelayed(StartupError):
    """This node cannot serve yet: PostgreSQL is away, takes no changes, is full or locked. A server waits for it.

    ``reason``: why, for anyone who asks: without the names of roles and sessions that the text may have.
    """

    code = "startup_delayed"
    retryable = True

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BackendUnavailable(HoldfastError):
    """A backend did not answer, or not properly; the same call may succeed later.

    ``certain``: no second question is needed to know that it is the whole backend, since nothing connects, or since
    it says so itself. ``reason``: why, for health: without the name of what was asked for; "" if no one knows.
    """

    code = "backend_unavailable"
    retryable = True
    certain: bool = False
    reason: str = ""

    def __init__(self, message: str, *, certain: bool = False, reason: str = "") -> None:
        super().__init__(message)
        self.certain = certain
        self.reason = reason


class NameUnavailable(BackendUnavailable):
    """Key Vault fails for this one secret, while it answers for others: the vault itself is well."""

    code = "name_unavailable"


class NameRefused(NameUnavailable):
    """Key Vault refuses us this one secret (403), while it answers for others."""

    code = "name_refused"


class CircuitOpen(BackendUnavailable):
    """The circuit breaker refuses the call without trying."""

    code = "circuit_open"


class BackendRefused(BackendUnavailable):
    """The backend refuses our own credential (401, 403): its outage from the caller's point of view.

    ``forbidden``: it knows us (403), and this very operation is not permitted; else it does not know us at all.
    ``vault_code``: Key Vault's inner code, or else its code; "" where there is none.
    """

    code = "backend_refused"

    def __init__(self, message: str, *, forbidden: bool = False, vault_code: str = "") -> None:
        super().__init__(message)
        self.forbidden = forbidden
        self.vault_code = vault_code


class Throttled(BackendUnavailable):
    """The backend asks us to slow down. ``retry_after_s``: seconds it asked for, or None."""

    code = "throttled"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(BackendUnavailable):
    """The request was sent and no answer came: it may have taken effect, now or later."""

    code = "outcome_unknown"


class NameOutcomeUnknown(OutcomeUnknown, NameUnavailable):
    """As ``OutcomeUnknown``, of a change of one secret, while the vault takes those of others."""


class AuditUnavailable(BackendUnavailable):
    """No audit sink is durable, so nothing is disclosed."""

    code = "audit_unavailable"


class LeaseExpired(BackendUnavailable):
    """PostgreSQL has been out of reach for longer than the lease on its last known grants."""

    code = "lease_expired"


def shown(error: BaseException) -> str:
    """Return what may be shown of an error: of one of unknown kind only that, for its text may hold anything."""
    return str(error) if isinstance(error, HoldfastError) else type(error).__name__
