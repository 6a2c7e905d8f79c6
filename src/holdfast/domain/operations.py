"""Which permissions suffice for which recorded operation."""

from collections.abc import Mapping
from typing import Final

from holdfast.domain.policy import Permission

SUFFICIENT: Final[Mapping[str, tuple[Permission, ...]]] = {
    "get": (Permission.GET,),
    "get_version": (Permission.GET,),
    "warm": (Permission.GET,),
    "backup": (Permission.GET,),
    "list_versions": (Permission.LIST,),
    "get_deleted": (Permission.LIST,),
    "set": (Permission.SET,),
    "update": (Permission.SET,),
    "rollback": (Permission.SET,),
    "restore": (Permission.SET,),
    "delete": (Permission.DELETE,),
    "recover": (Permission.RECOVER,),
    "purge": (Permission.PURGE,),
    **dict.fromkeys(
        (
            *("rotate", "rotate.schedule", "rotate.approve", "rotate.promote", "rotate.retire"),
            *("rotate.cancel", "rotate.resume", "rotate.due"),
        ),
        (Permission.ROTATE,),
    ),
    "rotation": (Permission.ROTATE, Permission.LIST),
    "grant": (Permission.GRANT,),
    "revoke": (Permission.GRANT,),
    "check": (Permission.GRANT,),
    "explain": (Permission.GRANT, Permission.AUDIT),
    "simulate": (Permission.GRANT, Permission.AUDIT),
    "role.assign": (Permission.GRANT,),
    "role.unassign": (Permission.GRANT,),
    "role.list": (Permission.GRANT, Permission.AUDIT),
    "list_grants": (Permission.GRANT, Permission.AUDIT),
    **dict.fromkeys(
        (
            *("client.add", "client.remove", "client.list", "token.create"),
            *("client.federate", "client.certify", "client.credentials", "client.withdraw"),
            *("identity.add", "identity.list", "identity.disable", "identity.enable", "identity.remove"),
            *("identity.groups", "admin.bootstrap", "admin.reset", "totp.enrol.other", "totp.remove"),
        ),
        (Permission.GRANT,),
    ),
    **dict.fromkeys(
        (
            "audit.search",
            "audit.export",
            "audit.checkpoints",
            "audit.key",
            "audit.streams",
            "audit.gaps",
            "audit.unshipped",
        ),
        (Permission.AUDIT,),
    ),
    "audit.acknowledge": (Permission.OPERATE,),
    "break_glass.approve": (Permission.APPROVE,),
    "break_glass.deny": (Permission.APPROVE,),
    "break_glass.revoke": (Permission.APPROVE, Permission.GRANT),
    "break_glass.codes.create": (Permission.GRANT,),
    "break_glass.codes.remove": (Permission.GRANT,),
    "break_glass.codes.list": (Permission.GRANT, Permission.AUDIT),
    "history": (Permission.AUDIT, Permission.GRANT),
    "health": (Permission.OPERATE, Permission.LIST, Permission.AUDIT),
    "nodes": (Permission.OPERATE,),
    "clock.accept": (Permission.OPERATE,),
    "diagnose": (Permission.OPERATE,),
    "keys.status": (Permission.OPERATE,),
    "keys.activate": (Permission.OPERATE,),
    "keys.rewrap": (Permission.OPERATE,),
    "keys.retire": (Permission.OPERATE,),
    **dict.fromkeys(("notices", "notices.retry", "notices.discard", "notices.test"), (Permission.OPERATE,)),
    "sync": (Permission.OPERATE,),
    "reconcile": (Permission.OPERATE,),
    "backup.begin": (Permission.OPERATE,),
    "backup.make": (Permission.OPERATE,),
    "report": (Permission.AUDIT,),
}
"""By the name in the audit trail. Listings are not here: each of their entries is decided on its own. Neither is
``invalidate``, for which one secret needs another permission than all of them, nor what owners do to their own
tokens, for which they need none."""
