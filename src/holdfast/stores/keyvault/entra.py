"""Why Microsoft Entra ID gives no token, by the codes of its answers. Nothing else of an answer is looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.config.azure import AzureSettings

_AADSTS: Final = re.compile(r"AADSTS([0-9]{4,9})", re.ASCII)
_OAUTH: Final = re.compile(r"[a-z_]{1,40}", re.ASCII)
_TENANT: Final = re.compile(r"[0-9A-Za-z.-]{1,64}", re.ASCII)

_GIVE: Final = "Give the secret's value (not its id) in AZURE_CLIENT_SECRET or its file."
_RENEW: Final = (
    "Make a new one (az ad app credential reset --id CLIENT), and give it in AZURE_CLIENT_SECRET or its file."
)
_REGISTER: Final = (
    "Register the certificate of AZURE_CLIENT_CERTIFICATE_PATH, without its key (az ad app credential reset "
    "--id CLIENT --cert @FILE --append)."
)
_RENEW_CERTIFICATE: Final = f"Have a new certificate made. {_REGISTER}"
_CLIENT: Final = "Check AZURE_CLIENT_ID, and AZURE_TENANT_ID: it may be registered in another tenant."
_TENANTS: Final = "Check AZURE_TENANT_ID, and AZURE_AUTHORITY_HOST for another cloud."
_ENABLE: Final = "Have the application enabled in Entra ID (Enterprise applications, Properties)."
_CONSENT: Final = "Have an administrator of the tenant consent to it (az ad app permission admin-consent --id CLIENT)."
_FEDERATION: Final = (
    "Compare issuer, subject and audience of the federated credential with those of this workload's token."
)
_POLICY: Final = "Ask who keeps the tenant's Conditional Access policies to let this workload in."
_CLOCK: Final = "Set this machine's clock, with NTP; see whether the file with a federated token is kept fresh."
_WAIT: Final = "It is tried again by itself."

REASONS: Final[Mapping[int, tuple[str, str]]] = {
    7000215: ("the client secret is wrong", _GIVE),
    7000222: ("the client secret has expired", _RENEW),
    7000216: ("no client secret was given", _GIVE),
    7000218: ("no client secret was given", _GIVE),
    50012: ("the client secret or certificate is not valid", _GIVE),
    1000502: ("the client's certificate has expired, or is not valid yet", _RENEW_CERTIFICATE),
    7000274: ("the client's certificate has expired, or is not valid yet", _RENEW_CERTIFICATE),
    7000214: ("the client's certificate was revoked", _RENEW_CERTIFICATE),
    7000277: ("the client's certificate was revoked", _RENEW_CERTIFICATE),
    700016: ("the tenant does not know the client", _CLIENT),
    7000229: ("the client has no service principal in the tenant", _CLIENT),
    7000112: ("the client is disabled", _ENABLE),
    90002: ("the tenant does not exist", _TENANTS),
    900023: ("the tenant's name is neither an id nor a domain", _TENANTS),
    900021: ("the tenant's name is neither an id nor a domain", _TENANTS),
    900382: ("the client belongs to another cloud", _TENANTS),
    90019: ("no tenant was named", _TENANTS),
    50001: ("the tenant does not know what the token is for", _TENANTS),
    500011: ("the tenant does not know what the token is for", _TENANTS),
    65001: ("no one has consented to the client", _CONSENT),
    650051: ("no one has consented to the client", _CONSENT),
    53003: ("a Conditional Access policy blocks the client", _POLICY),
    530003: ("a Conditional Access policy blocks the client", _POLICY),
    700024: ("the client's assertion is too old or not valid yet", _CLOCK),
    700027: ("the client's certificate is not a registered one", _REGISTER),
    70021: ("no federated credential fits this workload", _FEDERATION),
    700211: ("no federated credential has this workload's issuer", _FEDERATION),
    700212: ("no federated credential has this workload's audience", _FEDERATION),
    700213: ("no federated credential has this workload's subject", _FEDERATION),
    50196: ("it takes our requests for a loop", _WAIT),
    90033: ("it is unavailable for a while", _WAIT),
}
"""What a code means and what to do (Microsoft Entra authentication and authorization error codes; those of
certificates also after Microsoft.Identity.Web, which reloads a certificate for them)."""

PASSING: Final = frozenset({50196, 90033})
"""Codes that say nothing of our credential."""


@dataclass(frozen=True, slots=True)
class TokenError:
    """What an error answer of the token endpoint says. ``code`` 0: no AADSTS code. ``kind``: OAuth's, may be empty."""

    code: int = 0
    kind: str = ""

    @property
    def reason(self) -> str:
        """Why there is no token, with its codes, and what to do."""
        shown = f"AADSTS{self.code}" if self.code else self.kind
        what, mend = REASONS.get(self.code, ("it does not accept our credential", ""))
        return " ".join(filter(None, (f"{what} ({shown})." if shown else f"{what}.", mend)))


def token_error(body: Any) -> TokenError:
    """Return the codes of an answer's JSON, whatever it is (RFC 6749, 5.2, and Entra's ``error_codes``)."""
    if not isinstance(body, dict):
        return TokenError()
    kind, codes = body.get("error"), body.get("error_codes")
    numbers = [each for each in codes if type(each) is int and 0 < each < 10**9] if isinstance(codes, list) else []
    found = numbers[0] if numbers else code_in(body.get("error_description"))
    return TokenError(found, kind if isinstance(kind, str) and _OAUTH.fullmatch(kind) else "")


def code_in(text: object) -> int:
    """Return the first AADSTS code in a text, 0 if there is none."""
    found = _AADSTS.search(text[:10_000]) if isinstance(text, str) else None
    return int(found[1]) if found else 0


def other_tenant(login: AzureSettings, asked: object) -> str:
    """Return why no endpoint was asked, if that is since the vault belongs to another tenant; else an empty text."""
    if not login.tenant_id or not isinstance(asked, str) or asked.lower() == login.tenant_id.lower():
        return ""
    shown = asked if _TENANT.fullmatch(asked) else "with an unusable name"
    return (
        f"the vault belongs to the tenant {shown}, and AZURE_TENANT_ID is the tenant {login.tenant_id}. Set it to the "
        "vault's, and give a client that is registered there"
    )
