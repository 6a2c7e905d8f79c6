"""Trying at Key Vault what Holdfast does there, each operation on its own, on one secret with a reserved name."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.domain.intent import Marker
from holdfast.domain.names import PROBE_NAME
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    HoldfastError,
    NameRefused,
    Rejected,
    SecretDisabled,
    SecretNotFound,
)
from holdfast.ports import Clock, OddEntry, Vault, VaultVersion

SETTLE_S: Final = 60.0
"""Seconds that Key Vault may take for a deletion, recovery or purge to show."""

_POLL_S: Final = 0.5
_CHECK: Final = "keyvault"
_PROBE_TAG: Final = "holdfast-doctor"
_FIREWALL: Final = "ForbiddenByFirewall"
"""Key Vault's inner code for callers from elsewhere (its REST API error codes)."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that Holdfast does at Key Vault.

    ``policy``: its name in access policies. ``action``: its data action in Azure's roles, below
    ``Microsoft.KeyVault/vaults/secrets/``. ``role``: the built-in role that has it (Azure built-in roles for Key
    Vault). ``needed_for``: what fails without it.
    """

    policy: str
    action: str
    role: str
    needed_for: str


_READ: Final = "Key Vault Secrets User"
_ALL: Final = "Key Vault Secrets Officer"

PERMISSIONS: Final = {
    "list": Permission(
        "List",
        "readMetadata/action",
        _READ,
        "mirroring the vault: with get alone the mirror holds only what was read here, as it was then",
    ),
    "list deleted": Permission(
        "List", "readMetadata/action", _READ, "showing and recovering what was deleted in Key Vault directly"
    ),
    "get": Permission("Get", "getSecret/action", _READ, "reading a secret that the mirror does not hold yet"),
    "set": Permission("Set", "setSecret/action", _ALL, "bringing changes and rotations to Key Vault"),
    "update": Permission("Set", "update/action", _ALL, "bringing changed attributes to Key Vault"),
    "delete": Permission("Delete", "delete", _ALL, "bringing deletions to Key Vault"),
    "recover": Permission("Recover", "recover/action", _ALL, "bringing back what was deleted"),
    "purge": Permission("Purge", "purge/action", _ALL, "destroying a deleted secret for good"),
}


class Trial:
    """One round of attempts. ``findings`` are those so far."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault, self._clock = vault, clock
        self.findings: list[Finding] = []
        self.reached = True

    async def read(self) -> None:
        """List, and get a secret that is not there: no value of anybody is read."""
        attempts = {"list": self._list, "list deleted": self._list_deleted, "get": self._get_nothing}
        for name, operation in attempts.items():
            if self.reached:
                await self._attempt(name, operation)

    async def write(self) -> None:
        """Set, update, delete, recover and purge the probe, and say what is left of it."""
        if not self.reached or await self._is_foreign():
            return
        if not await self._attempt("set", self._set):
            return
        await self._attempt("update", self._update)
        if not await self._attempt("delete", self._delete) or (
            await self._attempt("recover", self._recover) and not await self._deleted_again()
        ):
            self._tell_left("is still there, live, with a random value", "Delete it by hand")
        else:
            await self._purge()

    async def _deleted_again(self) -> bool:
        said = len(self.findings)
        done = await self._attempt("delete", self._delete)
        if done:
            del self.findings[said:]  # that it is permitted is known
        return done

    async def _purge(self) -> None:
        if not await self._attempt("purge", self._vault.purge, PROBE_NAME):
            self._tell_left("is left behind, deleted, until its retention is over", "The next run takes it up again")

    async def _attempt(self, name: str, operation: Callable[..., Awaitable[Any]], *arguments: object) -> bool:
        permission = PERMISSIONS[name]
        try:
            await operation(*arguments)
        except NameRefused as error:
            self.findings.append(_refused(name, permission, error))
            return False
        except BackendRefused as error:
            self.reached = error.forbidden
            self.findings.append(_refused(name, permission, error) if error.forbidden else _unknown_identity(error))
            return False
        except Rejected as error:
            self.findings.append(_rejected(name, permission, error))
            return False
        except BackendUnavailable as error:
            self.reached = False
            self.findings.append(_unavailable(name, error))
            return False
        self.findings.append(ok(_CHECK, f"{name}: permitted."))
        return True

    async def _list(self) -> None:
        async with aclosing(self._vault.secrets()) as entries:
            await anext(entries, None)

    async def _list_deleted(self) -> None:
        async with aclosing(self._vault.deleted_secrets()) as entries:
            await anext(entries, None)

    async def _get_nothing(self) -> None:
        try:
            await self._vault.get(PROBE_NAME)
        except (SecretNotFound, SecretDisabled):
            return

    async def _is_foreign(self) -> bool:
        """Whether somebody else has a secret of this name; one that an earlier run left behind is brought back."""
        try:
            if await self._vault.is_deleted(PROBE_NAME):
                await self._recover()
            async with aclosing(self._vault.versions(PROBE_NAME)) as versions:
                foreign = any([not _is_probe(version) async for version in versions])
        except HoldfastError as error:
            self.findings.append(_leftover(error))
            return True
        if foreign:
            self.findings.append(_taken())
        return foreign

    async def _set(self) -> None:
        value, attributes = SecretValue(uuid4().hex), Attributes(tags={_PROBE_TAG: "probe"})
        self._set_id = (await self._vault.set(PROBE_NAME, value, attributes, Marker(1, uuid4()))).vault_version_id

    async def _update(self) -> None:
        await self._vault.update(PROBE_NAME, self._set_id, Attributes(enabled=False, tags={_PROBE_TAG: "probe"}), None)

    async def _delete(self) -> None:
        await self._vault.delete(PROBE_NAME)
        await self._settled(self._is_deleted)

    async def _recover(self) -> None:
        await self._vault.recover(PROBE_NAME)
        await self._settled(self._is_live)

    async def _is_deleted(self) -> bool:
        return await self._vault.is_deleted(PROBE_NAME)

    async def _is_live(self) -> bool:
        async with aclosing(self._vault.versions(PROBE_NAME)) as versions:
            return await anext(versions, None) is not None

    async def _settled(self, look: Callable[[], Awaitable[bool]]) -> None:
        until = self._clock.monotonic() + SETTLE_S
        while not await look():
            if self._clock.monotonic() > until:
                raise BackendUnavailable(f"Key Vault has not settled the change of {PROBE_NAME} in {SETTLE_S:.0f} s.")
            await self._clock.sleep(_POLL_S)

    def _tell_left(self, what: str, mend: str) -> None:
        self.findings.append(
            warning(
                _CHECK,
                f"{PROBE_NAME} {what}.",
                why="It holds nothing of value, and takes the place of one secret.",
                fix=f"{mend}, or give the identity the missing permission and run `holdfast doctor --write` again.",
            )
        )


def _is_probe(entry: VaultVersion | OddEntry) -> bool:
    return isinstance(entry, VaultVersion) and _PROBE_TAG in entry.attributes.tags


def _refused(name: str, permission: Permission, error: HoldfastError) -> Finding:
    if _FIREWALL in str(error):
        return failure(
            _CHECK,
            f"{name}: refused. {error}",
            why="The vault's network rules keep this machine out, whatever its identity may do.",
            fix="Allow its address, or the private endpoint: az keyvault network-rule add --name … --ip-address …",
        )
    return failure(
        _CHECK,
        f"{name}: refused. {error}",
        why=f"Holdfast needs it for {permission.needed_for}.",
        fix=f"Give the identity the role '{permission.role}' on the vault (data action "
        f"Microsoft.KeyVault/vaults/secrets/{permission.action}), or '{permission.policy}' in its access policy; "
        "roles take some minutes to count.",
    )


def _unknown_identity(error: HoldfastError) -> Finding:
    return failure(
        _CHECK,
        str(error),
        why="For Key Vault nobody is there: the mirror answers reads, and changes wait, for as long as this lasts.",
        fix="Follow that text; the check 'azure' names the identity that is used. docs/azure.md has a recipe for each "
        "place, docs/troubleshooting.md, 'There is no token for Key Vault', every code.",
    )


def _rejected(name: str, permission: Permission, error: HoldfastError) -> Finding:
    if name != "purge":
        return failure(
            _CHECK,
            f"{name}: {error}",
            why=f"Holdfast needs it for {permission.needed_for}.",
            fix="See whether a policy on the vault refuses it.",
        )
    return warning(
        _CHECK,
        f"{name}: {error}",
        why=f"Holdfast needs it for {permission.needed_for}; a protected vault does that by itself, later.",
        fix="Set HOLDFAST_PURGE_PROTECTION=true here as well, so that both sides say the same.",
    )


def _unavailable(name: str, error: HoldfastError) -> Finding:
    return failure(
        _CHECK,
        f"{name}: {error}",
        why="The mirror answers reads, and changes wait, for as long as this lasts.",
        fix="Follow that text; docs/troubleshooting.md, 'Circuit breaker is OPEN'.",
    )


def _leftover(error: HoldfastError) -> Finding:
    return failure(
        _CHECK,
        f"What an earlier run left of {PROBE_NAME} could not be taken up: {error}",
        why="So nothing was written this time, and only list and get are known.",
        fix="Recover or purge that secret by hand, or give the identity the permission to.",
    )


def _taken() -> Finding:
    return failure(
        _CHECK,
        f"A secret named {PROBE_NAME} is there that this command did not make.",
        why="The name is reserved; nothing was written, so that nothing of anybody is lost.",
        fix="Rename that secret, and run this again.",
    )
