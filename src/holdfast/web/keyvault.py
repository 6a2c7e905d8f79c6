"""The operations on secrets of Key Vault's REST API, each one call of the service."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus

from holdfast.domain.policy import Caller
from holdfast.domain.secret import Secret
from holdfast.errors import (
    IntegrityFailure,
    InvalidInput,
    KeyUnavailable,
    SecretNotFound,
    Unauthenticated,
)
from holdfast.keyvault_wire import responses as wire
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.keyvault_wire.query import Query, parse_query
from holdfast.keyvault_wire.refusals import refusal_text
from holdfast.keyvault_wire.requests import MalformedBackup, parse_restore, parse_set, parse_update
from holdfast.keyvault_wire.routes import Operation, Route, route
from holdfast.web.admission import Admission
from holdfast.web.errors import refusal
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.facade import Secrets
from holdfast.web.limits import MAX_BODY_BYTES, MAX_RESTORE_BYTES
from holdfast.web.marks import read_marks, write_marks


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """What the vault says about itself in every answer."""

    retention_days: int
    purge_protection: bool


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated, routed request."""

    exchange: Exchange
    caller: Caller
    query: Query
    route: Route

    @property
    def name(self) -> str:
        """The secret's name in the client's casing."""
        return self.route.name


_Operations = Mapping[Operation, Callable[[Call], Awaitable[Reply]]]


class KeyVaultApi:
    """Answers requests for secrets. Authentication comes before anything else about a request is looked at."""

    def __init__(self, secrets: Secrets, admission: Admission, facts: VaultFacts, skip_tokens: SkipTokens) -> None:
        self._secrets = secrets
        self._admission = admission
        self._facts = facts
        self._skip_tokens = skip_tokens
        self._vault_at = lru_cache(maxsize=64)(
            lambda origin: wire.Vault(origin, facts.retention_days, facts.purge_protection)
        )
        self._operations: _Operations = {
            Operation.SET: self._set,
            Operation.GET: self._get,
            Operation.UPDATE: self._update,
            Operation.LIST: self._list,
            Operation.LIST_VERSIONS: self._list_versions,
            Operation.DELETE: self._delete,
            Operation.LIST_DELETED: self._list_deleted,
            Operation.GET_DELETED: self._get_deleted,
            Operation.RECOVER: self._recover,
            Operation.PURGE: self._purge,
            Operation.BACKUP: self._backup,
            Operation.RESTORE: self._restore,
        }

    async def handle(self, exchange: Exchange) -> Reply:
        """Answer any request."""
        caller = await self._admission.caller(exchange)
        found = route(exchange.method, exchange.raw_path)
        call = Call(exchange, caller, parse_query(exchange.query), found)
        return await self._operations[found.operation](call)

    async def handle_get_latest(self, exchange: Exchange, name: str) -> Reply:
        """Answer ``GET /secrets/{name}``, for whoever has recognised it already."""
        caller = await self._admission.caller(exchange)
        parse_query(exchange.query)
        return self._disclosed(exchange, await self._secrets.get_secret(name, context=caller))

    def refuse(self, error: Exception, exchange: Exchange) -> Reply:
        """Return the answer to a request that failed; the unauthenticated are told how to log in."""
        challenge = self._admission.challenge(exchange) if isinstance(error, Unauthenticated) else None
        text = refusal_text(error, exchange.method, exchange.raw_path)
        return refusal(error, exchange.request_id, challenge, text)

    def _vault(self, call: Call) -> wire.Vault:
        return self._vault_at(call.exchange.origin)

    async def _set(self, call: Call) -> Reply:
        request = parse_set(await call.exchange.body(MAX_BODY_BYTES))
        result = await self._secrets.set_secret(
            call.name,
            request.value,
            content_type=request.content_type,
            expires_at=request.expires_at,
            not_before=request.not_before,
            enabled=request.enabled,
            tags=request.tags,
            context=call.caller,
        )
        created_at = result.created_at or datetime.now(UTC)
        name = result.display_name or call.name
        body = wire.new_secret_bundle(self._vault(call), name, result.version_id, created_at, request)
        return Reply(HTTPStatus.OK, body, write_marks(result))

    async def _get(self, call: Call) -> Reply:
        if call.route.version is None:
            secret = await self._secrets.get_secret(call.name, context=call.caller)
        else:
            secret = await self._secrets.get_secret_version(call.name, call.route.version, context=call.caller)
        return self._disclosed(call.exchange, secret)

    def _disclosed(self, exchange: Exchange, secret: Secret) -> Reply:
        return Reply(HTTPStatus.OK, wire.secret_bundle(self._vault_at(exchange.origin), secret), read_marks(secret))

    async def _update(self, call: Call) -> Reply:
        request = parse_update(await call.exchange.body(MAX_BODY_BYTES))
        version = await self._secrets.update_secret(
            call.name,
            version=call.route.version,
            enabled=request.enabled,
            expires_at=request.expires_at,
            not_before=request.not_before,
            content_type=request.content_type,
            tags=request.tags,
            context=call.caller,
        )
        return Reply(HTTPStatus.OK, wire.version_bundle(self._vault(call), version))

    async def _list(self, call: Call) -> Reply:
        size = call.query.page_size
        found = await self._secrets.list_secrets(
            after=self._position(call, "secrets"), limit=size + 1, strict=True, context=call.caller
        )
        page = found[:size]
        link = self._next_link(call, "secrets", page[-1].name) if len(found) > size else None
        return Reply(HTTPStatus.OK, wire.secret_page(self._vault(call), page, link))

    async def _list_deleted(self, call: Call) -> Reply:
        size = call.query.page_size
        found = await self._secrets.list_deleted_secrets(
            after=self._position(call, "deletedsecrets"), limit=size + 1, strict=True, context=call.caller
        )
        page = found[:size]
        link = self._next_link(call, "deletedsecrets", page[-1].name) if len(found) > size else None
        return Reply(HTTPStatus.OK, wire.deleted_page(self._vault(call), page, link))

    async def _list_versions(self, call: Call) -> Reply:
        size, listing = call.query.page_size, f"secrets/{call.name}/versions"
        after = self._position(call, listing.lower()) or ""
        try:
            versions = await self._secrets.list_secret_versions(call.name, context=call.caller)
        except SecretNotFound:
            versions = []
        found = sorted((each for each in versions if each.version_id > after), key=lambda each: each.version_id)
        page = found[:size]
        link = self._next_link(call, listing, page[-1].version_id) if len(found) > size else None
        return Reply(HTTPStatus.OK, wire.version_page(self._vault(call), page, link))

    async def _delete(self, call: Call) -> Reply:
        deleted = await self._secrets.delete_secret(call.name, context=call.caller)
        return Reply(HTTPStatus.OK, wire.deleted_bundle(self._vault(call), deleted), write_marks(deleted))

    async def _get_deleted(self, call: Call) -> Reply:
        deleted = await self._secrets.get_deleted_secret(call.name, context=call.caller)
        return Reply(HTTPStatus.OK, wire.deleted_bundle(self._vault(call), deleted))

    async def _recover(self, call: Call) -> Reply:
        version = await self._secrets.recover_secret(call.name, context=call.caller)
        return Reply(HTTPStatus.OK, wire.version_bundle(self._vault(call), version))

    async def _purge(self, call: Call) -> Reply:
        await self._secrets.purge_secret(call.name, context=call.caller)
        return Reply(HTTPStatus.NO_CONTENT, None)

    async def _backup(self, call: Call) -> Reply:
        blob = await self._secrets.backup_secret(call.name, context=call.caller)
        return Reply(HTTPStatus.OK, wire.backup_result(blob))

    async def _restore(self, call: Call) -> Reply:
        await self._secrets.check_may_restore(context=call.caller)
        raw = await call.exchange.body(MAX_RESTORE_BYTES)
        async with self._admission.room(call.caller):
            return await self._restored(call, parse_restore(raw))

    async def _restored(self, call: Call, blob: bytes) -> Reply:
        try:
            version = await self._secrets.restore_secret(blob, context=call.caller)
        except InvalidInput as error:
            if error.field != "backup":  # it opens, and holds what this vault does not take
                raise
            raise MalformedBackup("Backup blob is corrupt.", field="value") from None
        except (IntegrityFailure, KeyUnavailable):
            raise MalformedBackup("Backup blob is corrupt.", field="value") from None
        return Reply(HTTPStatus.OK, wire.version_bundle(self._vault(call), version))

    def _position(self, call: Call, listing: str) -> str | None:
        token = call.query.skip_token
        return None if not token else self._skip_tokens.decode(listing, token)

    def _next_link(self, call: Call, listing: str, position: str) -> str:
        token = self._skip_tokens.encode(listing.lower(), position)
        link = f"{call.exchange.origin}/{listing}?api-version={call.query.api_version}&$skiptoken={token}"
        wanted = call.query.max_results
        return link if wanted is None else f"{link}&maxresults={wanted}"
