"""The facade: one method for everything that can be asked, each body little more than one call."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from holdfast.contract.clock import DatabaseClock
from holdfast.contract.compliance import Compliance
from holdfast.contract.doctor import Doctor
from holdfast.contract.keys import Keys
from holdfast.contract.notices import Notices
from holdfast.contract.row import A, R, Row
from holdfast.domain.assertions import ClientCredential
from holdfast.domain.audit import AuditRecord
from holdfast.domain.changes import KEEP, Held, Keep
from holdfast.domain.names import canonical_name, canonical_names
from holdfast.domain.policy import Caller, Grant, Permission
from holdfast.domain.rotation import RotationResult
from holdfast.domain.secret import (
    DeletedSecret,
    RotationPolicy,
    Secret,
    SecretSummary,
    SecretVersion,
    State,
    WriteResult,
)
from holdfast.domain.validation import (
    MAX_INTERVAL_DAYS,
    valid_days,
    valid_expected_generation,
    valid_flag,
    valid_history_limit,
    valid_idempotency_key,
    valid_number,
    valid_stage,
    valid_version,
)
from holdfast.errors import InvalidInput, StartupError, Unauthenticated
from holdfast.ports import (
    SILENCE,
    AssertionUse,
    BackendHealth,
    ChooseCredential,
    ClientRecord,
    Clock,
    NodeRecord,
    Registration,
    Ring,
    RotationHandler,
    Telemetry,
    Tracing,
)
from holdfast.service.access.assertions import ClientCredentials
from holdfast.service.access.authorisation import Authorisation
from holdfast.service.access.clients import Clients
from holdfast.service.access.control import AccessControl
from holdfast.service.access.directory import Directory, ProvenToken
from holdfast.service.access.guard import Guard
from holdfast.service.access.identities import Identities
from holdfast.service.access.tokens import Tokens
from holdfast.service.audit.control import Audit
from holdfast.service.backup.backups import Backups
from holdfast.service.break_glass.control import BreakGlass
from holdfast.service.callers import Context
from holdfast.service.callers import authenticated as _caller
from holdfast.service.door import Door
from holdfast.service.installation.reports import ExpiringSecret, HealthReport, Reporter, WhoAmI
from holdfast.service.requests import SetRequest, UpdateRequest
from holdfast.service.rotation.control import RotationControl
from holdfast.service.rotation.handlers import Generate, Handlers
from holdfast.service.rotation.rollback import Rollbacks
from holdfast.service.rotation.rotations import Rotations
from holdfast.service.secrets.backup import Backup
from holdfast.service.secrets.caching import CacheControl
from holdfast.service.secrets.listing import Lister, as_deleted
from holdfast.service.secrets.reading import Reader
from holdfast.service.secrets.writing import Writer
from holdfast.service.vault.control import VaultControl
from holdfast.service.vault.mirroring import Progress, SyncReport
from holdfast.service.vault.reconciliation import ReconcileReport


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What the facade calls.

    ``for_vault``: a Key Vault stands behind this installation. ``tenant``: the GUID of its tenant, in lower case.
    ``own_database``: it runs its own PostgreSQL, in its data folder.
    ``metrics``: all that ``telemetry`` counted, as text.
    """

    guard: Guard
    reader: Reader
    writer: Writer
    lister: Lister
    access: AccessControl
    authorisation: Authorisation
    reporter: Reporter
    audit: Audit
    directory: Directory
    identities: Identities
    tokens: Tokens
    clients: Clients
    client_credentials: ClientCredentials
    break_glass: BreakGlass
    backup: Backup
    backups: Backups
    caches: CacheControl
    rotations: Rotations
    rollbacks: Rollbacks
    handlers: Handlers
    door: Door
    ring: Ring
    vault: VaultControl
    backends: Callable[[], Sequence[BackendHealth]]
    for_vault: bool
    tenant: str
    own_database: bool
    clock: Clock
    telemetry: Telemetry = SILENCE
    metrics: Callable[[], bytes] = bytes
    check_ready: Callable[[], None] = lambda: None
    check_alive: Callable[[], None] = lambda: None


class SecretsService:
    """Secrets, served and changed whatever fails underneath.

    Made by ``create_secrets_service``; ``initialize`` (or ``async with``) connects it and ``aclose`` ends it. Every
    method takes ``context``: who asks. Without one it is the application that owns the service, which may do
    everything and is on record as ``system``; with one, whatever no grant allows is refused with ``AccessDenied``.

    Besides the errors named at each method, every one may raise ``InvalidInput`` (an argument breaks a limit),
    ``AuditUnavailable`` (nothing can be put on record, so nothing happens) and ``BackendUnavailable``.
    """

    def __init__(self, start: Callable[[AsyncExitStack], Awaitable[UseCases]]) -> None:
        self._start = start
        self._stack = AsyncExitStack()
        self._started: UseCases | None = None

    async def initialize(self) -> None:
        """Connect to everything, bring the schema up to date and start what runs in the background.

        Raises:
            StartupError: this node cannot serve; the text says why and what to do. Nothing was written.
        """
        if self._started is None:
            async with AsyncExitStack() as stack:
                self._started = await self._start(stack)
                self._stack = stack.pop_all()

    async def aclose(self) -> None:
        """Stop background work and close all connections."""
        self._started = None
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def _use(self) -> UseCases:
        if self._started is None:
            raise StartupError("The service is not running: call `await service.initialize()` first, or `async with`.")
        return self._started

    @property
    def tracing(self) -> Tracing | None:
        """Who keeps spans of what is done here, if somebody does."""
        return self._use.telemetry.tracing

    @property
    def audit(self) -> Audit:
        """The audit trail: search, export, checkpoints."""
        return self._use.audit

    @property
    def doctor(self) -> Doctor:
        """The examination of everything that this node depends on."""
        return Doctor(self.run)

    @property
    def keys(self) -> Keys:
        """The encryption keys: which there are, and which one seals."""
        return Keys(self.run)

    @property
    def clock(self) -> DatabaseClock:
        """PostgreSQL's clock, which decides about expiry."""
        return DatabaseClock(self.run)

    @property
    def ring(self) -> Ring:
        """The key ring that this process seals with."""
        return self._use.ring

    @property
    def backups(self) -> Backups:
        """Backups of the whole installation."""
        return self._use.backups

    @property
    def compliance(self) -> Compliance:
        """What controls of SOC 2, ISO 27001, HIPAA, PCI DSS and GDPR ask, and what this installation shows for them."""
        return Compliance(self.run)

    @property
    def notices(self) -> Notices:
        """What people are told: see it, see it coming, try it, settle what did not arrive."""
        return Notices(self.run)

    async def run(self, row: Row[R, A], asked: R, context: Context = None, /) -> A:
        """Have an operation of the contract done; the methods are nicer to call."""
        return await self._use.door.run(row, asked, context)

    # --- reading ---

    async def get_secret(self, name: str, *, stage: str = "current", context: Context = None) -> Secret:
        """Return the current version of a secret; with ``stage="previous"``, the one that a rotation replaced, as long
        as its credential still works at the target.

        Raises:
            SecretNotFound: it is not there, or deleted, or has no such stage.
            SecretDisabled: its current version is disabled.
            SecretOutsideValidity: expired or not yet valid, where such reads are refused.
        """
        use, caller = self._use, _caller(context)
        former = valid_stage(stage) == "previous"
        with use.telemetry.reading() as reading:
            async with use.guard.operation(caller, Permission.GET, canonical_name(name), "get") as authorized:
                if former:
                    version = await use.rotations.previous_version(authorized.name)
                    secret = await use.reader.get_version(authorized, version)
                else:
                    secret = await use.reader.get(authorized)
                await use.guard.record(authorized, version=secret.version, source=secret.source, stale=secret.stale)
            reading.source = secret.source
        return secret

    async def get_secret_version(self, name: str, version: int | str, *, context: Context = None) -> Secret:
        """Return one version, by number or by its id of 32 hex digits.

        Raises:
            VersionNotFound: the secret has no such version.
        """
        use, caller, wanted = self._use, _caller(context), valid_version(version)
        with use.telemetry.reading() as reading:
            async with use.guard.operation(caller, Permission.GET, canonical_name(name), "get_version") as authorized:
                secret = await use.reader.get_version(authorized, wanted)
                await use.guard.record(authorized, version=secret.version, source=secret.source)
            reading.source = secret.source
        return secret

    async def list_secret_versions(self, name: str, *, context: Context = None) -> list[SecretVersion]:
        """Return all versions of a secret, oldest first, without values."""
        use, caller = self._use, _caller(context)
        async with use.guard.operation(caller, Permission.LIST, canonical_name(name), "list_versions") as authorized:
            return await use.lister.versions(authorized)

    async def list_secrets(
        self, *, after: str | None = None, limit: int = 1000, strict: bool = False, context: Context = None
    ) -> list[SecretSummary]:
        """Return up to ``limit`` secrets in name order, those after ``after``, that the caller may list.

        Raises:
            AccessDenied: ``strict`` is given, and the caller may list nothing at all; else they get an empty list.
        """
        start = canonical_name(after) if after is not None else None
        size = valid_number("limit", limit, 1, 10_000)
        return await self._use.lister.secrets(_caller(context), State.ACTIVE, start, size, strict=strict)

    # --- changing ---

    async def set_secret(
        self,
        name: str,
        value: str,
        *,
        description: str | None = None,
        content_type: str | None = None,
        expires_at: datetime | None = None,
        not_before: datetime | None = None,
        enabled: bool = True,
        tags: Mapping[str, str] | None = None,
        notify_on_expiry: Iterable[str] = (),
        rotation_policy: RotationPolicy | None = None,
        refuse_outside_validity: bool | None = None,
        expected_generation: int | None = None,
        idempotency_key: str | None = None,
        context: Context = None,
    ) -> WriteResult:
        """Make a new version the current one, creating the secret if need be. Durable when it returns.

        A version inherits nothing from the one before it. Description, notices and rotation policy belong to the
        secret and stay when they are not given. ``expected_generation`` is the version this write means to replace,
        0 for a new secret. The same ``idempotency_key`` gives the same answer for 24 hours.

        Raises:
            GenerationMismatch: somebody else wrote in between.
            SecretDeleted: the name belongs to a deleted secret; recover or purge it first.
            IdempotencyMismatch: the key was used for a different request.
        """
        request = SetRequest(
            description=description,
            content_type=content_type,
            expires_at=expires_at,
            not_before=not_before,
            enabled=enabled,
            tags=tags,
            notify_on_expiry=notify_on_expiry,
            rotation_policy=rotation_policy,
            refuse_outside_validity=refuse_outside_validity,
            expected_generation=expected_generation,
            idempotency_key=idempotency_key,
        )
        use, caller, canonical = self._use, _caller(context), canonical_name(name)
        new = request.checked(name, value, for_vault=use.for_vault)
        with use.telemetry.writing():
            async with use.guard.operation(caller, Permission.SET, canonical, "set") as authorized:
                return await use.writer.set(authorized, new)

    async def update_secret(
        self,
        name: str,
        *,
        version: int | str | None = None,
        enabled: bool | Keep = KEEP,
        expires_at: datetime | Held | Keep | None = KEEP,
        not_before: datetime | Held | Keep | None = KEEP,
        content_type: str | Keep | None = KEEP,
        tags: Mapping[str, str] | Keep | None = KEEP,
        description: str | Keep | None = KEEP,
        notify_on_expiry: Iterable[str] | Keep | None = KEEP,
        rotation_policy: RotationPolicy | Keep | None = KEEP,
        refuse_outside_validity: bool | Keep | None = KEEP,
        expected_generation: int | None = None,
        context: Context = None,
    ) -> SecretVersion:
        """Change attributes of a version (the current one by default) without making a new one.

        What is not given stays; None clears. ``tags`` replace all tags.

        Raises:
            VersionNotFound: the secret has no such version.
            GenerationMismatch: the current version is not the expected one.
        """
        request = UpdateRequest(
            enabled=enabled,
            expires_at=expires_at,
            not_before=not_before,
            content_type=content_type,
            tags=tags,
            description=description,
            notify_on_expiry=notify_on_expiry,
            rotation_policy=rotation_policy,
            refuse_outside_validity=refuse_outside_validity,
            expected_generation=expected_generation,
        )
        use, caller = self._use, _caller(context)
        change = request.checked(version, for_vault=use.for_vault)
        async with use.guard.operation(caller, Permission.SET, canonical_name(name), "update") as authorized:
            return await use.writer.update(authorized, change)

    async def rollback_secret(
        self,
        name: str,
        version: int | str,
        *,
        reapply: bool = False,
        expected_generation: int | None = None,
        idempotency_key: str | None = None,
        context: Context = None,
    ) -> WriteResult:
        """Make a new version with the value, content type and tags of an earlier one. The history stays.

        Where a rotation handler can tell, the value must still log in at its target. ``reapply``: a rotation makes the
        target accept it again; that takes the permission to rotate, and neither generation nor key.

        Raises:
            CredentialRetired: it does not log in any more.
        """
        use, caller, wanted = self._use, _caller(context), valid_version(version)
        expected, key = valid_expected_generation(expected_generation), valid_idempotency_key(idempotency_key)
        if not valid_flag("reapply", reapply):
            return await use.rollbacks.roll_back(caller, canonical_name(name), wanted, expected, key)
        if expected is not None or key is not None:
            raise InvalidInput("reapply takes neither expected_generation nor idempotency_key.", field="reapply")
        return await use.rollbacks.reapply(caller, canonical_name(name), wanted)

    # --- rotation ---

    @property
    def rotations(self) -> RotationControl:
        """Approve, cancel, resume and look at rotations."""
        return RotationControl(self._use.rotations)

    def register_rotation_handler(self, name: str, handler: RotationHandler | Generate) -> None:
        """Let ``handler`` rotate a secret, or all a glob covers: four steps, or one function that makes a value."""
        self._use.handlers.register(name, handler)

    async def rotate_secret(
        self, name: str, generate: Generate | None = None, *, context: Context = None
    ) -> RotationResult:
        """Rotate a secret now: with its handler, or with a function that returns the new value.

        What the function returns is stored before anything else happens. A function that revokes the old credential
        itself, or dies after it has made a new one valid, is beyond help: prefer a ``RotationHandler``.

        Raises:
            RotationInProgress: an earlier rotation is not over.
            RotationFailed: a step failed; both credentials are kept, and it is tried again.
        """
        return await self._use.rotations.rotate(_caller(context), canonical_name(name), generate)

    async def schedule_rotation(
        self, name: str, interval_days: int, *, auto_rotate: bool = True, context: Context = None
    ) -> RotationPolicy:
        """Rotate a secret every so many days from now on; without ``auto_rotate``, a person approves each time."""
        return await self._use.rotations.schedule(
            _caller(context),
            canonical_name(name),
            valid_number("interval_days", interval_days, 1, MAX_INTERVAL_DAYS),
            auto_rotate=valid_flag("auto_rotate", auto_rotate),
        )

    async def execute_scheduled_rotations(self, *, context: Context = None) -> list[RotationResult]:
        """Rotate all that is due and may go ahead, and go on with what was left; one result per secret.

        A secret whose rotation fails is in the results, with the reason; the others are rotated all the same.
        """
        await self._use.rotations.may_execute(_caller(context))
        return await self._use.rotations.execute_due()

    # --- the end of a secret, and its return ---

    async def delete_secret(self, name: str, *, context: Context = None) -> DeletedSecret:
        """Delete a secret. Until ``scheduled_purge_at`` it can be recovered, and its name stays taken."""
        use, caller = self._use, _caller(context)
        async with use.guard.operation(caller, Permission.DELETE, canonical_name(name), "delete") as authorized:
            return await use.writer.delete(authorized)

    async def recover_secret(self, name: str, *, context: Context = None) -> SecretVersion:
        """Bring a deleted secret back, with all its versions; returns the current one."""
        use, caller = self._use, _caller(context)
        async with use.guard.operation(caller, Permission.RECOVER, canonical_name(name), "recover") as authorized:
            return await use.writer.recover(authorized)

    async def purge_secret(self, name: str, *, context: Context = None) -> None:
        """Destroy a deleted secret for ever: its versions, their keys and the grants on its exact name."""
        use, caller = self._use, _caller(context)
        async with use.guard.operation(caller, Permission.PURGE, canonical_name(name), "purge") as authorized:
            await use.writer.purge(authorized)

    async def get_deleted_secret(self, name: str, *, context: Context = None) -> DeletedSecret:
        """Return the facts of a deleted secret."""
        use, caller = self._use, _caller(context)
        async with use.guard.operation(caller, Permission.LIST, canonical_name(name), "get_deleted") as authorized:
            return await use.lister.deleted(authorized)

    async def list_deleted_secrets(
        self, *, after: str | None = None, limit: int = 1000, strict: bool = False, context: Context = None
    ) -> list[DeletedSecret]:
        """Return up to ``limit`` deleted secrets in name order that the caller may list.

        Raises:
            AccessDenied: as ``list_secrets``.
        """
        start = canonical_name(after) if after is not None else None
        size = valid_number("limit", limit, 1, 10_000)
        found = await self._use.lister.secrets(_caller(context), State.DELETED, start, size, strict=strict)
        return [as_deleted(entry) for entry in found]

    async def backup_secret(self, name: str, *, context: Context = None) -> bytes:
        """Return a secret with all its versions as one sealed blob, which only this key ring opens."""
        use, caller = self._use, _caller(context)
        async with use.guard.operation(caller, Permission.GET, canonical_name(name), "backup") as authorized:
            return await use.backup.pack(authorized)

    async def check_may_restore(self, *, context: Context = None) -> None:
        """See, before a backup is read, that the caller may restore any secret at all.

        Raises:
            AccessDenied: not one. That is on record.
        """
        await self._use.guard.check_any(_caller(context), Permission.SET, "restore")

    async def restore_secret(self, blob: bytes, *, context: Context = None) -> SecretVersion:
        """Bring a secret back from such a blob, with all its versions; returns the current one.

        Raises:
            Conflict: its name is in use.
        """
        use, caller = self._use, _caller(context)
        unpacked = use.backup.unpack(blob)
        async with use.guard.operation(caller, Permission.SET, unpacked.name, "restore") as authorized:
            return await use.backup.restore(authorized, unpacked)

    # --- access ---

    @property
    def access(self) -> Authorisation:
        """Roles, and why somebody may do something or not."""
        return self._use.authorisation

    async def grant_access(
        self,
        name: str,
        user_id: str,
        permissions: Iterable[str],
        *,
        granted_by: str | None = None,
        expires_at: datetime | None = None,
        accept_existing_credentials: bool = False,
        context: Context = None,
    ) -> Grant:
        """Let ``user_id`` do ``permissions`` to a secret, or to all that a glob such as ``payments-*`` covers.

        ``user_id`` is an identity, or ``group:`` and the name of a group. Replaces what the same one was granted on
        the same name or glob before. ``accept_existing_credentials``: also to credentials and memberships whose
        makers do not hold it.

        Raises:
            Conflict: there are such credentials, and they are not accepted; the error names them.
        """
        return await self._use.access.grant(
            _caller(context),
            name,
            user_id,
            permissions,
            granted_by=granted_by,
            expires_at=expires_at,
            accept=accept_existing_credentials,
        )

    async def revoke_access(self, name: str, user_id: str, *, context: Context = None) -> bool:
        """Take back what ``user_id`` was granted on this very name or glob; False if there was nothing."""
        return await self._use.access.revoke(_caller(context), name, user_id)

    async def check_access(self, name: str, user_id: str, permission: str, *, context: Context = None) -> bool:
        """Whether ``user_id`` may do ``permission`` to a secret now."""
        return await self._use.access.check(_caller(context), canonical_name(name), user_id, permission)

    async def list_grants(self, *, context: Context = None) -> list[Grant]:
        """Return all grants."""
        return await self._use.access.list_grants(_caller(context))

    async def add_client(self, client_id: str, *, context: Context = None) -> str:
        """Make a client of the server and return its secret, which is shown this once."""
        return await self._use.clients.add(_caller(context), client_id)

    async def remove_client(self, client_id: str, *, context: Context = None) -> bool:
        """Remove a client; False if there was none."""
        return await self._use.clients.remove(_caller(context), client_id)

    async def list_clients(self, *, context: Context = None) -> list[ClientRecord]:
        """Return all clients, without their secrets."""
        return await self._use.clients.list(_caller(context))

    async def authenticate_client(self, client_id: str, client_secret: str, *, ip_address: str | None = None) -> Caller:
        """Return the caller that a client id and secret prove.

        Raises:
            Unauthenticated: they prove nobody.
        """
        return await self._use.clients.authenticate(client_id, client_secret, ip_address)

    def client_registration(self, client_id: str) -> Registration | None:
        """Which registration a client has, as far as this node knows (at most a second old); None if there is none."""
        return self._use.clients.registration(client_id)

    @property
    def client_credentials(self) -> ClientCredentials:
        """What clients show the token endpoint instead of a secret."""
        return self._use.client_credentials

    async def authenticate_asserted(
        self, client_id: str, choose: ChooseCredential, *, ip_address: str | None = None
    ) -> ClientCredential:
        """Return the credential by which a client logs in: ``choose`` gets all that it has.

        Raises:
            Unauthenticated: by none.
        """
        return await self._use.clients.authenticate_asserted(client_id, choose, ip_address)

    async def use_assertion(self, use: AssertionUse) -> bool:
        """Note that an assertion was shown; False if its id was shown before, by another assertion or elsewhere."""
        return await self._use.clients.use_assertion(use)

    def credentials_of(self, client_id: str) -> Sequence[ClientCredential]:
        """What a client shows instead of a secret, as far as this node knows; nothing of a disabled one."""
        return self._use.clients.credentials(client_id)

    @property
    def break_glass(self) -> BreakGlass:
        """Emergency access: ask for it, decide about it, end it."""
        return self._use.break_glass

    # --- identities ---

    @property
    def identities(self) -> Identities:
        """What may be done with identities and their groups."""
        return self._use.identities

    @property
    def tokens(self) -> Tokens:
        """What may be done with API tokens."""
        return self._use.tokens

    def prove_token(self, token: str, *, ip_address: str | None = None) -> ProvenToken:
        """Return whose API token this is, from memory. How long that may be acted on without PostgreSQL, grants say.

        Raises:
            Unauthenticated: it is not good here.
        """
        return self._use.directory.prove(token, ip_address)

    def groups_of(self, identity: str) -> frozenset[str]:
        """The groups, kept here, that an identity is a member of; from memory."""
        return self._use.directory.groups_of(identity)

    def is_disabled(self, identity: str) -> bool:
        """Whether an identity has been disabled; from memory."""
        return self._use.directory.is_disabled(identity)

    async def record_refusal(self, caller: Caller, error: Unauthenticated) -> None:
        """Put a proof of identity that does not hold on record, before whoever tried it is told."""
        await self._use.guard.record_refusal(caller, error)

    def now(self) -> datetime:
        """The present moment by PostgreSQL's clock."""
        return self._use.clock.now()

    # --- health ---

    async def get_access_history(self, name: str, limit: int = 50, *, context: Context = None) -> list[AuditRecord]:
        """Return the newest ``limit`` audit records of a secret, newest first."""
        return await self._use.reporter.history(_caller(context), canonical_name(name), valid_history_limit(limit))

    async def check_expiring_secrets(self, days: int = 30, *, context: Context = None) -> list[ExpiringSecret]:
        """Return the secrets that expire within ``days`` and those that have expired, soonest first."""
        return await self._use.reporter.expiring(_caller(context), valid_days(days))

    async def get_secret_health(self, *, probe: bool = False, context: Context = None) -> HealthReport:
        """Return totals, the state of every backend, what waits for Key Vault, and what to do about it.

        Backends are reported as this node has lately found them; ``probe`` asks each of them first.
        """
        return await self._use.reporter.health(_caller(context), probe=valid_flag("probe", probe))

    async def whoami(self, *, context: Context = None) -> WhoAmI:
        """Return who asks, how that was proven, and which installation answers."""
        caller = _caller(context)
        async with self._use.guard.own(caller, "whoami"):
            return WhoAmI(
                identity=caller.id,
                method=caller.method,
                groups=tuple(sorted(caller.groups)),
                installation=self._use.tenant,
            )

    async def list_nodes(self, *, context: Context = None) -> list[NodeRecord]:
        """Return the nodes that run on this database now, oldest first."""
        return await self._use.reporter.nodes(_caller(context))

    def check_ready(self) -> None:
        """See that this node can answer anything.

        Raises:
            StartupError: it has not started, or has stopped.
            LeaseExpired: PostgreSQL has been out of reach for too long.
            KeyUnavailable: it lacks the key that all nodes seal with.
            BackendUnavailable: its own PostgreSQL has ended, and is being started again.
        """
        self._use.check_ready()

    def check_alive(self) -> None:
        """See that this process may yet recover by itself, so that its supervisor need not act.

        Raises:
            BackendUnavailable: its own PostgreSQL cannot be started, which was tried again and again.
        """
        self._use.check_alive()

    def backends(self) -> Sequence[BackendHealth]:
        """Every backend as this node sees it now, without asking any."""
        return self._use.backends()

    def metrics(self) -> bytes:
        """Return what was counted, in Prometheus's text format: no names, no identities, no values."""
        return self._use.metrics()

    @property
    def tenant(self) -> str:
        """The GUID of the tenant that clients name to log in here; the same for ever, on all nodes."""
        return self._use.tenant

    @property
    def own_database(self) -> bool:
        """Whether this node runs its own PostgreSQL, in its data folder."""
        return self._use.own_database

    # --- Key Vault ---

    async def sync(self, *, progress: Progress | None = None, context: Context = None) -> SyncReport:
        """Compare the mirror with the whole Key Vault now, and take over what changed there.

        ``progress`` is told (secrets compared, secrets seen so far, changes taken over).

        Raises:
            TransitionPending: another node is at it.
        """
        return await self._use.vault.sync(_caller(context), progress)

    async def reconcile(
        self, *, retry: bool = False, discard: str | None = None, context: Context = None
    ) -> ReconcileReport:
        """Return secrets that differ from Key Vault, changes it refuses, and changes that still wait for it.

        ``retry`` tries them now; ``discard`` gives up those of one secret, so that Key Vault's state of it stands.
        """
        name = canonical_name(discard) if discard is not None else None
        return await self._use.vault.reconcile(_caller(context), retry=valid_flag("retry", retry), discard=name)

    # --- caches ---

    async def warm_cache(self, names: Iterable[str], *, context: Context = None) -> int:
        """Read secrets into the caches ahead of need; returns how many could be."""
        return await self._use.caches.warm(_caller(context), canonical_names(names))

    async def invalidate_cache(self, name: str | None = None, *, context: Context = None) -> None:
        """Let the next read of a secret ask Key Vault, on every node; without a name, empty this node's caches."""
        if name is None:
            await self._use.caches.clear(_caller(context))
        else:
            await self._use.caches.invalidate(_caller(context), canonical_name(name))
