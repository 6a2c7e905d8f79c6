"""What examples in the description show. None of it is real, and none of it could be taken for a credential."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_PAST: Final = "2026-11-02T09:30:00Z"
_FUTURE: Final = "2027-02-01T00:00:00Z"
_ID: Final = "0c9f2f5e1d7a4b6c8e3d5f7091a2b3c4"
_UUID: Final = "6f1c2a4e-8b3d-4c5e-9f60-718293a4b5c6"
_REASON: Final = "Payments are down, the on-call engineer needs the database"
_NO_ANSWER: Final = "The database did not answer within 5 s."

MEMBERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "approvers": 2,
        "approved_by": "sam@example.com",
        "asks": "Access to secrets is limited to those who need it.",
        "attention": "",
        "audience": "holdfast-payments-api",
        "AskForAccess.permissions": ["get"],
        "AuditDocument.detail": None,
        "AuditDocument.source": "mirror",
        "auth_method": "token",
        "backup": "aGYxLi4u",
        "breakers": {"read": "closed", "write": "closed"},
        "bundle": None,
        "calls": {"get": 118},
        "certificate": "-----BEGIN CERTIFICATE-----\nMIID...\n-----END CERTIFICATE-----\n",
        "check": "Key Vault answers",
        "client_id": "payments-api",
        "client_secret": "shown-once",
        "code": "123456",
        "codes": ["XXXX-XXXX-XXXX-XXXX"],
        "columns": ["identity", "permissions"],
        "configured": True,
        "content_type": "text/plain",
        "count": 12,
        "created_by": "deploy",
        "current": True,
        "current_version": 4,
        "damaged": [],
        "days": 7,
        "days_until_expiry": 12,
        "decided_by": "sam@example.com",
        "delivered": 4_711,
        "description": "Password of the payments database",
        "detail": "answers in 4 ms",
        "drift": "changed here and in Key Vault",
        "duration_s": 3_600,
        "edition": "2022",
        "enabled": True,
        "trusted": True,
        "CredentialDocument.name": "prod",
        "CredentialDocument.subject": "system:serviceaccount:payments:api",
        "CertifyClient.name": "prod",
        "thumbprint": "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567",
        "FederateClient.name": "prod",
        "FederateClient.subject": "system:serviceaccount:payments:api",
        "issuer": "https://kubernetes.default.svc.cluster.local",
        "encryption_key": "9f86d081884c7d65",
        "ended_by": None,
        "error": None,
        "error_code": None,
        "error_message": None,
        "EventDocument.id": "secret.expiring:payments-db:3",
        "evidence": ["grants"],
        "EvidenceDocument.id": "grants",
        "EvidenceDocument.rows": [["payments-api", "get"]],
        "facts": {"days": "12"},
        "failures": 0,
        "field": "name",
        "fix": "",
        "found": "It answers in 38 ms.",
        "FrameworkDocument.id": "iso27001",
        "FrameworkDocument.title": "ISO/IEC 27001",
        "from_version": 3,
        "gap": f"{_UUID}/1/40-43",
        "granted_by": "admin",
        "groups": ["payments"],
        "handler": "postgresql",
        "healthy": True,
        "identity": "payments-api",
        "ids": [17],
        "incomplete": None,
        "installation": _UUID,
        "interval_days": 90,
        "ip_address": "192.0.2.10",
        "key_id": "9f86d081884c7d65",
        "KeysDocument.items": [f"holdfast-audit-ed25519 {'3b' * 32}"],
        "kid": None,
        "kind": "webhook",
        "lacking": None,
        "last_error": None,
        "lifetime_s": 2_592_000,
        "managed": False,
        "max_lifetime_s": 31_536_000,
        "mirror_fault": None,
        "missing_on": [],
        "name": "payments-db",
        "names": ["payments-db", "payments-api-key"],
        "networks": ["192.0.2.0/24"],
        "next_cursor": None,
        "node": "vault-1:4021",
        "NodeDocument.name": "vault-1:4021",
        "notify_days_before": 14,
        "notify_on_expiry": ["payments@example.com"],
        "number": 5,
        "ControlDocument.number": "A.5.15",
        "operation": "get",
        "options": {"admin_secret": "payments-db-admin"},
        "pattern": "payments-*",
        "BackendDocument.name": "postgres",
        "IdentityDocument.name": "payments-api",
        "NewIdentity.name": "payments-api",
        "AddIdentity.name": "payments-api",
        "StreamDocument.name": "siem",
        "GapDocument.name": f"{_UUID}/1/40-43",
        "Problem.code": "secret_not_found",
        "Problem.detail": "Secret not found: payments-db.",
        "Problem.status": 404,
        "Problem.title": "Secret not found",
        "Problem.type": "urn:holdfast:error:secret_not_found",
        "read": ["payments-db"],
        "reason": _REASON,
        "ExplanationDocument.reason": "The group payments may get it.",
        "FailingWorkDocument.reason": _NO_ANSWER,
        "KeptOutDocument.reason": "not_readable",
        "KeptOutDocument.detail": "Key Vault refuses to show it.",
        "recipient": "payments@example.com",
        "recipients": ["payments@example.com"],
        "recommendations": [],
        "recoverable_days": 90,
        "recovery_level": "Recoverable+Purgeable",
        "refuse_outside_validity": None,
        "release": "0.1.0",
        "replicated": True,
        "request_id": "8a7d5c32-4e1b-4f6a-9d0c-2b3a4c5d6e7f",
        "requested_by": "sam@example.com",
        "requester": "kim@example.com",
        "retire_after_days": None,
        "rotation_count": 3,
        "rows": {"versions.sealed": 0},
        "rule": "grant:12",
        "schema_version": 41,
        "sealed": 1_204,
        "sealing_on": ["vault-1:4021"],
        "secret": "payments-db",
        "secret_name": "payments-db",
        "source": "audit_records",
        "statement": "2 identities may read every secret.",
        "BatchOutcome.status": 200,
        "subject": "payments-api",
        "success": True,
        "tags": {"team": "payments"},
        "threshold": 2,
        "title": "Access control",
        "token": "shown-once",
        "total_secrets": 240,
        "uri": "otpauth://totp/Holdfast:kim?secret=SHOWN-ONCE&issuer=Holdfast",
        "used": [],
        "user_agent": "payments-api/2.4",
        "user_id": "payments-api",
        "value": "correct horse battery staple",
        "vault_version_id": _ID,
        "version": 3,
        "version_id": _ID,
        "voter": "sam@example.com",
        "why": "",
        "without_effect": [],
        "work": "sync",
        "yours": "Review who is in the group payments.",
    }
)
"""By the name of a member, or by type and member where the name alone does not tell. Others are made by kind."""

LATER: Final = ("expires_at", "max_expires_at", "not_before", "open_until", "retire_by", "scheduled_purge_at", "next_")
"""How members begin that are of the future."""

BODIES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "SetSecret": {"value": MEMBERS["value"], "tags": {"team": "payments"}, "expires_at": _FUTURE},
        "UpdateSecret": {"expires_at": _FUTURE},
        "Rollback": {"version": 2},
        "BatchGet": {"items": [{"name": "payments-db"}, {"name": "payments-api-key", "version": 2}]},
        "AskForAccess": {"name": "payments-*", "reason": _REASON, "permissions": ["get"], "duration_s": 3_600},
        "PutGrant": {"pattern": "payments-*", "user_id": "payments-api", "permissions": ["get", "list"]},
        "AssignRole": {"subject": "group:payments", "role": "reader", "pattern": "payments-*"},
        "Explain": {"name": "payments-db", "user_id": "payments-api", "permission": "get"},
        "Simulate": {"changes": [{"kind": "revoke", "subject": "payments-api", "pattern": "payments-*"}]},
        "CreateToken": {"identity": "payments-api", "lifetime_s": 2_592_000},
        "MakeCodes": {"name": "payments-*", "number": 5, "threshold": 2},
        "ScheduleRotation": {"interval_days": 90},
        "SetGroups": {"groups": ["payments"]},
        "AddIdentity": {"name": "payments-api", "kind": "application"},
        "EnrolTotp": {},
        "WhichNotices": {"ids": [17]},
        "TestNotice": {"recipient": "payments@example.com"},
    }
)
"""Whole bodies of requests, with what one would send; other bodies are shown by their members."""

PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": "payments-db",
        "version": "3",
        "client_id": "payments-api",
        "credential": "prod",
        "identity": "payments-api",
        "number": 7,
        "token_id": _UUID,
    }
)
"""What stands in paths."""


def examples(owner: str, name: str, schema: Mapping[str, Any]) -> list[Any]:
    """Return what a member of a type may look like; nothing for text that the table does not know."""
    known = f"{owner}.{name}"
    if known in MEMBERS or name in MEMBERS:
        return [MEMBERS[known] if known in MEMBERS else MEMBERS[name]]
    if schema.get("format") == "date-time":
        return [_FUTURE if name.startswith(LATER) else _PAST]
    if schema.get("format") == "uuid":
        return [_UUID]
    return [value for kind, value in _KINDS.items() if kind in schema.get("type", ())][:1]


_KINDS: Final[Mapping[str, Any]] = {
    "null": None,
    "boolean": False,
    "integer": 1,
    "number": 30.0,
    "array": [],
    "object": {},
}
