"""Every operation that can be asked for, with what it takes to let it succeed: one row each, for all surfaces."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

import pyotp

from holdfast.domain.assertions import ClientCredential
from holdfast.domain.policy import AccessContext
from holdfast.domain.simulation import RuleChange
from holdfast.errors import RotationFailed, Unauthenticated
from holdfast.service.manager import SecretsService
from tests.rotation.target import Target, TargetHandler
from tests.support.certificates import public_pem
from tests.support.postgres import execute

REASON: Final = "The primary does not come up"
TERMS: Final[dict[str, Any]] = {
    "name": "k8s",
    "issuer": "https://k8s.example",
    "subject": "system:serviceaccount:shop:api",
    "audience": "holdfast",
}


@dataclass
class Scene:
    """Where one operation is asked for. ``name``: a secret, and a person, that no other scene knows."""

    service: SecretsService
    dsn: str
    name: str
    root: AccessContext
    folder: Any
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> AccessContext:
        """The person of this scene, who has no grant."""
        return AccessContext(user_id=self.name)

    def filled(self, template: str) -> str:
        """A target with what was made here in its place."""
        return template.format(name=self.name, **self.made)


Prepare = Callable[[Scene], Awaitable[None]]
Call = Callable[[Scene, AccessContext], Awaitable[object]]
Body = Callable[[Scene], Mapping[str, Any]]


@dataclass(frozen=True)
class Ask:
    """A request. ``stranger``: the error code that a stranger's leaves on record, if not the one of the row.

    ``early``: strangers are refused before it is known what it is about.
    """

    method: str
    target: str
    body: Body | None = None
    stranger: str | None = ""
    early: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operation.

    ``about``: the name on record. ``also``: further records of the same success. ``version``: the one on record.
    ``person``: the scene's own person asks. ``stranger``: the error code on record for somebody without any grant;
    None: it is everybody's. ``refused``: the operation of that record, if it is another one. ``unseen``: what it is
    about is no secret to tell, until it is found. ``fails``: a database that is away, a secret that is not there, or
    None for what is decided from memory.
    """

    record: str
    call: Call | None = None
    about: str = "*"
    prepare: tuple[Prepare, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    version: int | None = None
    person: bool = False
    stranger: str | None = "access_denied"
    refused: str = ""
    unseen: bool = False
    fails: Literal["cut", "absent"] | None = "cut"
    vault: bool = False
    v1: Mapping[str, Ask] = field(default_factory=dict)
    kv: Mapping[str, Ask] = field(default_factory=dict)


# --- what operations are about


async def stored(scene: Scene) -> None:
    made = await scene.service.set_secret(scene.name, "first")
    scene.made["id"] = made.version_id


async def deleted(scene: Scene) -> None:
    await scene.service.delete_secret(scene.name)


async def packed(scene: Scene) -> None:
    await stored(scene)
    scene.made["blob"] = await scene.service.backup_secret(scene.name)
    await deleted(scene)
    await scene.service.purge_secret(scene.name)


async def known(scene: Scene) -> None:
    await scene.service.identities.add(scene.name, "person")


async def granted(scene: Scene) -> None:
    await scene.service.grant_access(scene.name, "somebody", ["get"])


async def assigned(scene: Scene) -> None:
    await scene.service.access.assign_role("somebody", "reader", scene.name)


async def client(scene: Scene) -> None:
    scene.made["secret"] = await scene.service.add_client(scene.name)


async def federated(scene: Scene) -> None:
    await scene.service.client_credentials.federate(scene.name, **TERMS)


async def the_first(credentials: Sequence[ClientCredential]) -> ClientCredential:
    if not credentials:
        raise Unauthenticated("It has none.")
    return credentials[0]


async def token(scene: Scene) -> None:
    scene.made["token_id"] = (await scene.service.tokens.create(scene.name)).record.id


async def enrolled(scene: Scene) -> None:
    enrolment = await scene.service.identities.totp.enrol(context=scene.person)
    scene.made["app"] = pyotp.TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])


async def confirmed(scene: Scene) -> None:
    await enrolled(scene)
    await scene.service.identities.totp.confirm(code(scene), context=scene.person)
    scene.made["used"] = True


def code(scene: Scene) -> str:
    """A code that is good now."""
    ahead = timedelta(seconds=30 if "used" in scene.made else 0)
    text: str = scene.made["app"].at(scene.service.now() + ahead)
    return text


async def asked(scene: Scene) -> None:
    found = await scene.service.break_glass.request(scene.name, reason=REASON, context=scene.person)
    scene.made["number"] = found.id


async def approved(scene: Scene) -> None:
    await asked(scene)
    for boss in ("boss-1", "boss-2"):
        await scene.service.break_glass.approve(scene.made["number"], context=AccessContext(user_id=boss))


async def on_paper(scene: Scene) -> None:
    made = await scene.service.break_glass.codes.create(
        scene.name, number=3, threshold=2, context=AccessContext(user_id="boss-1")
    )
    scene.made["codes"], scene.made["set"] = list(made.codes), made.set.id


async def targeted(scene: Scene) -> None:
    scene.made["target"] = Target("first")
    scene.service.register_rotation_handler(scene.name, TargetHandler(scene.made["target"]))


async def stuck(scene: Scene) -> None:
    await targeted(scene)
    scene.made["target"].faults = ["refuse"]
    with suppress(RotationFailed):
        await scene.service.rotate_secret(scene.name)


async def rotated(scene: Scene) -> None:
    await targeted(scene)
    await scene.service.rotate_secret(scene.name)


async def due(scene: Scene) -> None:
    await targeted(scene)
    await scene.service.schedule_rotation(scene.name, 30, auto_rotate=False)
    await execute(
        scene.dsn,
        "UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '1 second' "
        f"WHERE secret_name = '{scene.name}'",
    )
    await scene.service.execute_scheduled_rotations()


async def with_gap(scene: Scene) -> None:
    """Two records that no checkpoint covers yet are gone."""
    if not (gaps := await scene.service.audit.gaps()):
        _ = [line async for line in scene.service.audit.checkpoints()]
        for _ in range(4):
            await scene.service.list_secrets()
        newest = "SELECT id FROM secret_access_logs WHERE operation = 'list' ORDER BY id DESC OFFSET 1 LIMIT 2"
        await execute(scene.dsn, f"DELETE FROM secret_access_logs WHERE id IN ({newest})")
        _ = [line async for line in scene.service.audit.checkpoints()]  # covers the first of them
        gaps = await scene.service.audit.gaps()
    scene.made["gap"] = gaps[0].name


async def spare_key(scene: Scene) -> None:
    """One of the keys of this node that seals nothing yet."""
    status = await scene.service.keys.status()
    scene.made["key_id"] = next(key.key_id for key in status.keys if key.state == "present")


async def spent_key(scene: Scene) -> None:
    """A key that sealed once, and under which nothing is any more."""

    async def draining() -> list[str]:
        return [key.key_id for key in (await scene.service.keys.status()).keys if key.state == "draining"]

    while not await draining():
        await spare_key(scene)
        await scene.service.keys.activate(scene.made["key_id"])
    while (await scene.service.keys.rewrap()).remaining:
        pass
    scene.made["key_id"] = (await draining())[0]


# --- shorthands


def get(target: str, **more: Any) -> Ask:
    return Ask("GET", target, **more)


def post(target: str, body: Body | None = None, **more: Any) -> Ask:
    return Ask("POST", target, body, **more)


def put(target: str, body: Body | None = None) -> Ask:
    return Ask("PUT", target, body)


def patch(target: str, body: Body | None = None) -> Ask:
    return Ask("PATCH", target, body)


def delete(target: str) -> Ask:
    return Ask("DELETE", target)


async def _all(found: Any) -> list[Any]:
    return [each async for each in found]


SECRET: Final = "/v1/secrets/{name}"
NAMED: Final = "{name}"

ROWS: Final[Mapping[str, Row]] = {
    "get_secret": Row(
        record="get",
        about=NAMED,
        prepare=(stored,),
        version=1,
        fails="absent",
        call=lambda s, c: s.service.get_secret(s.name, context=c),
        v1={"getSecret": get(SECRET)},
        kv={"get": get("/secrets/{name}")},
    ),
    "get_secret_version": Row(
        record="get_version",
        about=NAMED,
        prepare=(stored,),
        version=1,
        fails="absent",
        call=lambda s, c: s.service.get_secret_version(s.name, 1, context=c),
        v1={"getVersion": get(SECRET + "/versions/1")},
        kv={
            "get a version": get("/secrets/{name}/{id}"),
            "get a version by its whole name": get("/secrets/{name}%2F{id}/"),
        },
    ),
    "batch": Row(
        record="get",
        about=NAMED,
        prepare=(stored,),
        version=1,
        fails="absent",
        v1={"batchGetSecrets": post("/v1/secrets:batch-get", lambda s: {"items": [{"name": s.name}]})},
    ),
    "list_secret_versions": Row(
        record="list_versions",
        about=NAMED,
        prepare=(stored,),
        call=lambda s, c: s.service.list_secret_versions(s.name, context=c),
        v1={"listVersions": get(SECRET + "/versions")},
        kv={"list-versions": get("/secrets/{name}/versions")},
    ),
    "list_secrets": Row(
        record="list",
        stranger=None,
        call=lambda s, c: s.service.list_secrets(context=c),
        v1={"listSecrets": get("/v1/secrets")},
        kv={"list": get("/secrets", stranger="access_denied")},
    ),
    "set_secret": Row(
        record="set",
        about=NAMED,
        version=1,
        call=lambda s, c: s.service.set_secret(s.name, "x", context=c),
        v1={"setSecret": put(SECRET, lambda s: {"value": "x"})},
        kv={"set": put("/secrets/{name}", lambda s: {"value": "x"})},
    ),
    "update_secret": Row(
        record="update",
        about=NAMED,
        prepare=(stored,),
        version=1,
        call=lambda s, c: s.service.update_secret(s.name, content_type="text/plain", context=c),
        v1={
            "updateSecret": patch(SECRET, lambda s: {"content_type": "text/plain"}),
            "updateVersion": patch(SECRET + "/versions/1", lambda s: {"content_type": "text/plain"}),
        },
        kv={"update": patch("/secrets/{name}/{id}", lambda s: {"contentType": "text/plain"})},
    ),
    "rollback_secret": Row(
        record="rollback",
        about=NAMED,
        prepare=(stored, stored),
        version=3,
        call=lambda s, c: s.service.rollback_secret(s.name, 1, context=c),
        v1={"rollbackSecret": post(SECRET + "/rollback", lambda s: {"version": 1})},
    ),
    "rotate_secret": Row(
        record="rotate",
        about=NAMED,
        prepare=(stored, targeted),
        also=(("rotate.promote", NAMED),),
        call=lambda s, c: s.service.rotate_secret(s.name, context=c),
        v1={"rotateSecret": post(SECRET + "/rotate")},
    ),
    "schedule_rotation": Row(
        record="rotate.schedule",
        about=NAMED,
        prepare=(stored,),
        call=lambda s, c: s.service.schedule_rotation(s.name, 30, context=c),
        v1={"scheduleRotation": put(SECRET + "/rotation", lambda s: {"interval_days": 30})},
    ),
    "execute_scheduled_rotations": Row(
        record="rotate.due",
        fails=None,
        call=lambda s, c: s.service.execute_scheduled_rotations(context=c),
        v1={"executeRotations": post("/v1/rotations:execute")},
    ),
    "rotations.approve": Row(
        record="rotate.approve",
        about=NAMED,
        prepare=(stored, due),
        call=lambda s, c: s.service.rotations.approve(s.name, context=c),
        v1={"approveRotation": post(SECRET + "/rotation:approve")},
    ),
    "rotations.cancel": Row(
        record="rotate.cancel",
        about=NAMED,
        prepare=(stored, stuck),
        call=lambda s, c: s.service.rotations.cancel(s.name, context=c),
        v1={"cancelRotation": post(SECRET + "/rotation:cancel")},
    ),
    "rotations.resume": Row(
        record="rotate.resume",
        about=NAMED,
        prepare=(stored, stuck),
        call=lambda s, c: s.service.rotations.resume(s.name, context=c),
        v1={"resumeRotation": post(SECRET + "/rotation:resume")},
    ),
    "rotations.retire": Row(
        record="rotate.retire",
        about=NAMED,
        prepare=(stored, rotated),
        call=lambda s, c: s.service.rotations.retire(s.name, context=c),
        v1={"retireRotation": post(SECRET + "/rotation:retire")},
    ),
    "rotations.status": Row(
        record="rotation",
        about=NAMED,
        prepare=(stored,),
        call=lambda s, c: s.service.rotations.status(s.name, context=c),
        v1={"getRotation": get(SECRET + "/rotation")},
    ),
    "rotations.runs": Row(
        record="rotations",
        stranger=None,
        call=lambda s, c: s.service.rotations.runs(context=c),
        v1={"listRotations": get("/v1/rotations")},
    ),
    "delete_secret": Row(
        record="delete",
        about=NAMED,
        prepare=(stored,),
        version=1,
        call=lambda s, c: s.service.delete_secret(s.name, context=c),
        v1={"deleteSecret": delete(SECRET)},
        kv={"delete": delete("/secrets/{name}")},
    ),
    "recover_secret": Row(
        record="recover",
        about=NAMED,
        prepare=(stored, deleted),
        version=1,
        call=lambda s, c: s.service.recover_secret(s.name, context=c),
        v1={"recoverSecret": post("/v1/deleted-secrets/{name}/recover")},
        kv={"recover": post("/deletedsecrets/{name}/recover")},
    ),
    "purge_secret": Row(
        record="purge",
        about=NAMED,
        prepare=(stored, deleted),
        call=lambda s, c: s.service.purge_secret(s.name, context=c),
        v1={"purgeSecret": delete("/v1/deleted-secrets/{name}")},
        kv={"purge": delete("/deletedsecrets/{name}")},
    ),
    "get_deleted_secret": Row(
        record="get_deleted",
        about=NAMED,
        prepare=(stored, deleted),
        call=lambda s, c: s.service.get_deleted_secret(s.name, context=c),
        v1={"getDeletedSecret": get("/v1/deleted-secrets/{name}")},
        kv={"get-deleted": get("/deletedsecrets/{name}")},
    ),
    "list_deleted_secrets": Row(
        record="list_deleted",
        stranger=None,
        call=lambda s, c: s.service.list_deleted_secrets(context=c),
        v1={"listDeletedSecrets": get("/v1/deleted-secrets")},
        kv={"list-deleted": get("/deletedsecrets", stranger="access_denied")},
    ),
    "backup_secret": Row(
        record="backup",
        about=NAMED,
        prepare=(stored,),
        call=lambda s, c: s.service.backup_secret(s.name, context=c),
        v1={"backupSecret": post(SECRET + "/backup")},
        kv={"backup": post("/secrets/{name}/backup")},
    ),
    "restore_secret": Row(
        record="restore",
        about=NAMED,
        prepare=(packed,),
        version=1,
        call=lambda s, c: s.service.restore_secret(s.made["blob"], context=c),
        v1={"restoreSecret": post("/v1/secrets:restore", lambda s: {"backup": _text(s.made["blob"])}, early=True)},
        kv={"restore": post("/secrets/restore", lambda s: {"value": _text(s.made["blob"])}, early=True)},
    ),
    "grant_access": Row(
        record="grant",
        about=NAMED,
        call=lambda s, c: s.service.grant_access(s.name, "somebody", ["get"], context=c),
        v1={
            "putGrant": put("/v1/grants", lambda s: {"pattern": s.name, "user_id": "somebody", "permissions": ["get"]})
        },
    ),
    "revoke_access": Row(
        record="revoke",
        about=NAMED,
        prepare=(granted,),
        call=lambda s, c: s.service.revoke_access(s.name, "somebody", context=c),
        v1={"deleteGrant": delete("/v1/grants?pattern={name}&user_id=somebody")},
    ),
    "check_access": Row(
        record="check",
        about=NAMED,
        fails=None,
        call=lambda s, c: s.service.check_access(s.name, "somebody", "get", context=c),
        v1={"checkAccess": get("/v1/check?name={name}&user_id=somebody&permission=get")},
    ),
    "list_grants": Row(record="list_grants", call=lambda s, c: s.service.list_grants(context=c)),
    "access.page_of_grants": Row(
        record="list_grants",
        call=lambda s, c: s.service.access.page_of_grants(context=c),
        v1={"listGrants": get("/v1/grants")},
    ),
    "access.assign_role": Row(
        record="role.assign",
        about=NAMED,
        call=lambda s, c: s.service.access.assign_role("somebody", "reader", s.name, context=c),
        v1={"assignRole": put("/v1/roles", lambda s: {"subject": "somebody", "role": "reader", "pattern": s.name})},
    ),
    "access.unassign_role": Row(
        record="role.unassign",
        about=NAMED,
        prepare=(assigned,),
        call=lambda s, c: s.service.access.unassign_role("somebody", "reader", s.name, context=c),
        v1={"unassignRole": delete("/v1/roles?subject=somebody&role=reader&pattern={name}")},
    ),
    "access.list_roles": Row(record="role.list", call=lambda s, c: s.service.access.list_roles(context=c)),
    "access.page_of_roles": Row(
        record="role.list",
        call=lambda s, c: s.service.access.page_of_roles(context=c),
        v1={"listRoles": get("/v1/roles")},
    ),
    "access.explain": Row(
        record="explain",
        about=NAMED,
        fails=None,
        call=lambda s, c: s.service.access.explain(s.name, "somebody", "get", context=c),
        v1={"explain": post("/v1/explain", lambda s: {"name": s.name, "user_id": "somebody", "permission": "get"})},
    ),
    "access.simulate": Row(
        record="simulate",
        call=lambda s, c: s.service.access.simulate([RuleChange.grant(s.name, "somebody", ["get"])], context=c),
        v1={
            "simulate": post(
                "/v1/simulate",
                lambda s: {
                    "changes": [{"kind": "grant", "subject": "somebody", "pattern": s.name, "permissions": ["get"]}]
                },
            )
        },
    ),
    "add_client": Row(
        record="client.add",
        call=lambda s, c: s.service.add_client(s.name, context=c),
        v1={"addClient": post("/v1/clients", lambda s: {"client_id": s.name})},
    ),
    "remove_client": Row(
        record="client.remove",
        prepare=(client,),
        call=lambda s, c: s.service.remove_client(s.name, context=c),
        v1={"removeClient": delete("/v1/clients/{name}")},
    ),
    "list_clients": Row(
        record="client.list",
        call=lambda s, c: s.service.list_clients(context=c),
        v1={"listClients": get("/v1/clients")},
    ),
    "authenticate_client": Row(
        record="login",
        prepare=(client,),
        person=True,
        stranger="unauthenticated",
        fails=None,
        call=lambda s, c: s.service.authenticate_client(
            c.user_id, s.made["secret"] if c.user_id == s.name else "wrong"
        ),
    ),
    "authenticate_asserted": Row(
        record="login",
        prepare=(federated,),
        person=True,
        stranger="unauthenticated",
        fails=None,
        call=lambda s, c: s.service.authenticate_asserted(c.user_id, the_first),
    ),
    "client_credentials.federate": Row(
        record="client.federate",
        call=lambda s, c: s.service.client_credentials.federate(s.name, **TERMS, context=c),
        v1={"federateClient": post("/v1/clients/{name}/credentials:federate", lambda s: TERMS)},
    ),
    "client_credentials.certify": Row(
        record="client.certify",
        call=lambda s, c: s.service.client_credentials.certify(s.name, name="own", certificate=public_pem(), context=c),
        v1={
            "certifyClient": post(
                "/v1/clients/{name}/credentials:certify", lambda s: {"name": "own", "certificate": public_pem()}
            )
        },
    ),
    "client_credentials.list": Row(
        record="client.credentials",
        call=lambda s, c: s.service.client_credentials.list(s.name, context=c),
        v1={"listClientCredentials": get("/v1/clients/{name}/credentials")},
    ),
    "client_credentials.remove": Row(
        record="client.withdraw",
        prepare=(federated,),
        call=lambda s, c: s.service.client_credentials.remove(s.name, TERMS["name"], context=c),
        v1={"removeClientCredential": delete("/v1/clients/{name}/credentials/k8s")},
    ),
    "get_access_history": Row(
        record="history",
        about=NAMED,
        call=lambda s, c: s.service.get_access_history(s.name, context=c),
        v1={"getHistory": get(SECRET + "/history")},
    ),
    "check_expiring_secrets": Row(
        record="expiring",
        stranger=None,
        call=lambda s, c: s.service.check_expiring_secrets(context=c),
        v1={"listExpiring": get("/v1/expiring")},
    ),
    "get_secret_health": Row(
        record="health",
        call=lambda s, c: s.service.get_secret_health(context=c),
        v1={"getHealth": get("/v1/health")},
    ),
    "whoami": Row(
        record="whoami",
        stranger=None,
        fails=None,
        call=lambda s, c: s.service.whoami(context=c),
        v1={"whoAmI": get("/v1/whoami")},
    ),
    "list_nodes": Row(
        record="nodes", call=lambda s, c: s.service.list_nodes(context=c), v1={"listNodes": get("/v1/nodes")}
    ),
    "clock.accept": Row(
        record="clock.accept",
        call=lambda s, c: s.service.clock.accept(context=c),
        v1={"acceptClock": post("/v1/clock:accept")},
    ),
    "sync": Row(record="sync", vault=True, call=lambda s, c: s.service.sync(context=c), v1={"sync": post("/v1/sync")}),
    "reconcile": Row(
        record="reconcile",
        vault=True,
        call=lambda s, c: s.service.reconcile(context=c),
        v1={
            "getIntents": get("/v1/intents"),
            "retryIntents": post("/v1/intents:retry"),
            "discardIntents": post("/v1/intents:discard", lambda s: {"name": s.name}),
        },
    ),
    "warm_cache": Row(
        record="warm",
        about=NAMED,
        prepare=(stored,),
        version=1,
        fails="absent",
        call=lambda s, c: s.service.warm_cache([s.name], context=c),
        v1={"warmCache": post("/v1/cache:warm", lambda s: {"names": [s.name]})},
    ),
    "invalidate_cache": Row(
        record="invalidate",
        about=NAMED,
        prepare=(stored,),
        call=lambda s, c: s.service.invalidate_cache(s.name, context=c),
        v1={"invalidateCache": post("/v1/cache:invalidate", lambda s: {"name": s.name})},
    ),
    "identities.add": Row(
        record="identity.add",
        call=lambda s, c: s.service.identities.add(s.name, context=c),
        v1={"addIdentity": post("/v1/identities", lambda s: {"name": s.name})},
    ),
    "identities.list": Row(record="identity.list", call=lambda s, c: s.service.identities.list(context=c)),
    "identities.page": Row(
        record="identity.list",
        call=lambda s, c: s.service.identities.page(context=c),
        v1={"listIdentities": get("/v1/identities")},
    ),
    "identities.disable": Row(
        record="identity.disable",
        prepare=(known,),
        call=lambda s, c: s.service.identities.disable(s.name, context=c),
        v1={"disableIdentity": post("/v1/identities/{name}/disable")},
    ),
    "identities.enable": Row(
        record="identity.enable",
        prepare=(known,),
        call=lambda s, c: s.service.identities.enable(s.name, context=c),
        v1={"enableIdentity": post("/v1/identities/{name}/enable")},
    ),
    "identities.remove": Row(
        record="identity.remove",
        prepare=(known,),
        call=lambda s, c: s.service.identities.remove(s.name, context=c),
        v1={"removeIdentity": delete("/v1/identities/{name}")},
    ),
    "identities.set_groups": Row(
        record="identity.groups",
        prepare=(known,),
        call=lambda s, c: s.service.identities.set_groups(s.name, ["devs"], context=c),
        v1={"setGroups": put("/v1/identities/{name}/groups", lambda s: {"groups": ["devs"]})},
    ),
    "identities.reset_admin": Row(record="admin.reset", call=lambda s, c: s.service.identities.reset_admin(context=c)),
    "identities.verify_totp": Row(
        record="totp.verify",
        prepare=(known, confirmed),
        person=True,
        stranger="unauthenticated",
        call=lambda s, c: s.service.identities.verify_totp(code(s), context=c),
    ),
    "identities.totp.verify": Row(
        record="totp.verify",
        prepare=(known, confirmed),
        person=True,
        stranger="unauthenticated",
        call=lambda s, c: s.service.identities.totp.verify(code(s), context=c),
        v1={"verifyTotp": post("/v1/totp:verify", lambda s: {"code": code(s)})},
    ),
    "identities.totp.confirm": Row(
        record="totp.confirm",
        prepare=(known, enrolled),
        person=True,
        stranger="unauthenticated",
        call=lambda s, c: s.service.identities.totp.confirm(code(s), context=c),
        v1={"confirmTotp": post("/v1/totp:confirm", lambda s: {"code": code(s)})},
    ),
    "identities.totp.enrol": Row(
        record="totp.enrol.other",
        prepare=(known,),
        call=lambda s, c: s.service.identities.totp.enrol(s.name, context=c),
        v1={"enrolTotp": post("/v1/totp:enrol", lambda s: {"identity": s.name})},
    ),
    "identities.totp.remove": Row(
        record="totp.remove",
        prepare=(known, confirmed),
        call=lambda s, c: s.service.identities.totp.remove(s.name, context=c),
        v1={"removeTotp": delete("/v1/identities/{name}/totp")},
    ),
    "tokens.create": Row(
        record="token.create",
        prepare=(known,),
        call=lambda s, c: s.service.tokens.create(s.name, context=c),
        v1={"createToken": post("/v1/tokens", lambda s: {"identity": s.name})},
    ),
    "tokens.list": Row(record="token.list", call=lambda s, c: s.service.tokens.list(context=c)),
    "tokens.page": Row(
        record="token.list",
        call=lambda s, c: s.service.tokens.page(context=c),
        v1={"listTokens": get("/v1/tokens")},
    ),
    "tokens.renew": Row(
        record="token.renew",
        prepare=(known, token),
        call=lambda s, c: s.service.tokens.renew(s.made["token_id"], context=c),
        v1={"renewToken": post("/v1/tokens/{token_id}/renew")},
    ),
    "tokens.revoke": Row(
        record="token.revoke",
        prepare=(known, token),
        call=lambda s, c: s.service.tokens.revoke(s.made["token_id"], context=c),
        v1={"revokeToken": delete("/v1/tokens/{token_id}")},
    ),
    "break_glass.request": Row(
        record="break_glass.request",
        about=NAMED,
        person=True,
        stranger=None,
        call=lambda s, c: s.service.break_glass.request(s.name, reason=REASON, context=c),
        v1={"requestEmergency": post("/v1/break-glass", lambda s: {"name": s.name, "reason": REASON})},
    ),
    "break_glass.list": Row(
        record="break_glass.list",
        stranger=None,
        call=lambda s, c: s.service.break_glass.list(context=c),
        v1={"listEmergencies": get("/v1/break-glass")},
    ),
    "break_glass.get": Row(
        record="break_glass.show",
        about=NAMED,
        prepare=(asked,),
        unseen=True,
        stranger="request_not_found",
        call=lambda s, c: s.service.break_glass.get(s.made["number"], context=c),
        v1={"getEmergency": get("/v1/break-glass/{number}")},
    ),
    "break_glass.approve": Row(
        record="break_glass.approve",
        about=NAMED,
        prepare=(asked,),
        unseen=True,
        stranger="request_not_found",
        call=lambda s, c: s.service.break_glass.approve(s.made["number"], context=c),
        v1={"approveEmergency": post("/v1/break-glass/{number}/approve")},
    ),
    "break_glass.deny": Row(
        record="break_glass.deny",
        about=NAMED,
        prepare=(asked,),
        unseen=True,
        stranger="request_not_found",
        call=lambda s, c: s.service.break_glass.deny(s.made["number"], context=c),
        v1={"denyEmergency": post("/v1/break-glass/{number}/deny")},
    ),
    "break_glass.withdraw": Row(
        record="break_glass.withdraw",
        about=NAMED,
        prepare=(asked,),
        person=True,
        unseen=True,
        stranger="request_not_found",
        call=lambda s, c: s.service.break_glass.withdraw(s.made["number"], context=c),
        v1={"withdrawEmergency": post("/v1/break-glass/{number}/withdraw")},
    ),
    "break_glass.revoke": Row(
        record="break_glass.revoke",
        about=NAMED,
        prepare=(approved,),
        unseen=True,
        stranger="request_not_found",
        call=lambda s, c: s.service.break_glass.revoke(s.made["number"], context=c),
        v1={"revokeEmergency": post("/v1/break-glass/{number}/revoke")},
    ),
    "break_glass.redeem": Row(
        record="break_glass.redeem",
        about=NAMED,
        prepare=(asked, on_paper),
        also=(("break_glass.redeem", NAMED),) * 2,  # one for each code that is spent
        person=True,
        unseen=True,
        stranger="request_not_found",
        call=lambda s, c: s.service.break_glass.redeem(s.made["number"], s.made["codes"][:2], context=c),
        v1={"redeemEmergency": post("/v1/break-glass/{number}/redeem", lambda s: {"codes": s.made["codes"][:2]})},
    ),
    "break_glass.codes.create": Row(
        record="break_glass.codes.create",
        about=NAMED,
        call=lambda s, c: s.service.break_glass.codes.create(s.name, number=3, threshold=2, context=c),
        v1={
            "createRecoveryCodes": post(
                "/v1/break-glass-codes", lambda s: {"name": s.name, "number": 3, "threshold": 2}
            )
        },
    ),
    "break_glass.codes.list": Row(
        record="break_glass.codes.list",
        call=lambda s, c: s.service.break_glass.codes.list(context=c),
        v1={"listRecoveryCodes": get("/v1/break-glass-codes")},
    ),
    "break_glass.codes.remove": Row(
        record="break_glass.codes.remove",
        prepare=(on_paper,),
        call=lambda s, c: s.service.break_glass.codes.remove(s.made["set"], context=c),
        v1={"removeRecoveryCodes": delete("/v1/break-glass-codes/{set}")},
    ),
    "audit.search": Row(
        record="audit.search",
        call=lambda s, c: s.service.audit.search(context=c),
        v1={"searchAudit": get("/v1/audit")},
    ),
    "audit.export": Row(
        record="audit.export",
        fails=None,
        call=lambda s, c: _all(s.service.audit.export(context=c)),
        v1={"exportAudit": get("/v1/audit/export")},
    ),
    "audit.checkpoints": Row(
        record="audit.checkpoints",
        call=lambda s, c: _all(s.service.audit.checkpoints(context=c)),
        v1={"exportCheckpoints": get("/v1/audit/checkpoints")},
    ),
    "audit.gaps": Row(
        record="audit.gaps",
        call=lambda s, c: s.service.audit.gaps(context=c),
        v1={"listAuditGaps": get("/v1/audit/gaps")},
    ),
    "audit.acknowledge": Row(
        record="audit.acknowledge",
        prepare=(with_gap,),
        call=lambda s, c: s.service.audit.acknowledge(s.made["gap"], context=c),
        v1={"acknowledgeAuditGap": post("/v1/audit/gaps:acknowledge", lambda s: {"gap": s.made["gap"]})},
    ),
    "audit.unshipped": Row(
        record="audit.unshipped",
        call=lambda s, c: s.service.audit.unshipped(context=c),
        v1={"listUnshipped": get("/v1/audit/unshipped")},
    ),
    "audit.public_keys": Row(
        record="audit.key",
        call=lambda s, c: s.service.audit.public_keys(context=c),
        v1={"listAuditKeys": get("/v1/audit/keys")},
    ),
    "audit.streams": Row(
        record="audit.streams",
        call=lambda s, c: s.service.audit.streams(context=c),
        v1={"listAuditStreams": get("/v1/audit/streams")},
    ),
    "compliance.report": Row(
        record="report",
        call=lambda s, c: s.service.compliance.report(context=c),
        v1={"getComplianceReport": get("/v1/compliance")},
    ),
    "doctor.diagnose": Row(
        record="diagnose",
        fails=None,
        call=lambda s, c: s.service.doctor.diagnose(context=c),
        v1={"diagnose": post("/v1/diagnosis", lambda s: {})},
    ),
    "backups.make": Row(
        record="backup.make",
        also=(("backup.begin", "*"),),
        refused="backup.begin",
        call=lambda s, c: s.service.backups.make(s.folder / s.name, context=c),
    ),
    "keys.status": Row(
        record="keys.status", call=lambda s, c: s.service.keys.status(context=c), v1={"getKeys": get("/v1/keys")}
    ),
    "keys.rewrap": Row(
        record="keys.rewrap",
        call=lambda s, c: s.service.keys.rewrap(context=c),
        v1={"rewrapKeys": post("/v1/keys:rewrap")},
    ),
    "keys.activate": Row(
        record="keys.activate",
        prepare=(spare_key,),
        call=lambda s, c: s.service.keys.activate(s.made["key_id"], context=c),
        v1={"activateKey": post("/v1/keys:activate", lambda s: {"key_id": s.made["key_id"]})},
    ),
    "keys.retire": Row(
        record="keys.retire",
        prepare=(spent_key,),
        call=lambda s, c: s.service.keys.retire(s.made["key_id"], context=c),
        v1={"retireKey": post("/v1/keys:retire", lambda s: {"key_id": s.made["key_id"]})},
    ),
    "notices.search": Row(
        record="notices",
        call=lambda s, c: s.service.notices.search(context=c),
        v1={"listNotices": get("/v1/notices")},
    ),
    "notices.preview": Row(
        record="notices.preview",
        stranger=None,
        call=lambda s, c: s.service.notices.preview(context=c),
        v1={"previewNotices": get("/v1/notices:preview")},
    ),
    "notices.retry": Row(
        record="notices.retry",
        call=lambda s, c: s.service.notices.retry(context=c),
        v1={"retryNotices": post("/v1/notices:retry", lambda s: {})},
    ),
    "notices.discard": Row(
        record="notices.discard",
        call=lambda s, c: s.service.notices.discard(context=c),
        v1={"discardNotices": post("/v1/notices:discard", lambda s: {})},
    ),
    "notices.test": Row(
        record="notices.test",
        fails=None,
        call=lambda s, c: s.service.notices.test(context=c),
        v1={"testNotices": post("/v1/notices:test", lambda s: {})},
    ),
}

WITH_THE_CHANGE: Final = frozenset(
    {
        *("set", "update", "rollback", "delete", "recover", "purge", "restore", "invalidate", "backup.make"),
        *("rotate", "rotate.schedule", "rotate.approve", "rotate.cancel", "keys.activate", "keys.retire"),
        *("grant", "revoke", "role.assign", "role.unassign", "client.add", "client.remove", "clock.accept"),
        *("identity.add", "identity.disable", "identity.enable", "identity.remove", "identity.groups", "admin.reset"),
        *("token.create", "token.renew", "token.revoke", "totp.enrol.other", "totp.remove"),
        *("break_glass.request", "break_glass.approve", "break_glass.deny", "break_glass.withdraw"),
        *("break_glass.revoke", "break_glass.redeem", "break_glass.codes.create", "break_glass.codes.remove"),
    }
)
"""Operations whose record is stored in the transaction of what they change, so that neither is without the other."""

UNRECORDED: Final[Mapping[str, str]] = {
    "initialize": "starts the node; nobody asks for anything yet",
    "aclose": "stops the node",
    "run": "does what a row of the contract asks; each of these has a row here",
    "record_refusal": "is itself how a refused login gets on record",
    "use_assertion": "is part of a login, which is on record",
    "check_may_restore": "begins a restore, which records its success; the rows of restores see its refusals",
    "identities.bootstrap": "has no caller: it makes the first one",
    "identities.totp.check_settled": "a rule that a request for emergency access is held to, not a question",
    "tokens.note_uses": "background work",
    "tokens.flush_uses": "background work",
}
"""What can be called and is no operation that somebody asks for."""


def _text(blob: bytes) -> str:
    return base64.urlsafe_b64encode(blob).decode().rstrip("=")
