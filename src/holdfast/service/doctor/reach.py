"""Judging how far one gets to a TLS server before any login."""

from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import ReachFacts

_FIXES: Final = {
    "name": "Check the name in AZURE_KEYVAULT_NAME or AZURE_KEYVAULT_URL, and this machine's DNS.",
    "refused": "Check the address, and whether a firewall or the vault's network rules let this machine in.",
    "silent": "Check whether a firewall drops packets, and the vault's network rules (private endpoint, allowed IPs).",
    "proxy": "Check HOLDFAST_KEYVAULT_PROXY or HTTPS_PROXY, its credentials, and that it lets this host through; "
    "what is reached without it stands in NO_PROXY.",
    "untrusted": "Give the CA that issued it with HOLDFAST_KEYVAULT_CA; docs/troubleshooting.md, "
    "'The certificate is not trusted'.",
    "tls": "Holdfast speaks TLS 1.3 only: see what sits between (a proxy that breaks TLS open?).",
}


def reach_findings(check: str, whose: str, reach: ReachFacts) -> list[Finding]:
    """Judge it. ``whose``: the server's address."""
    through = f" through the proxy {reach.through}" if reach.through else ""
    if not reach.kind:
        return [ok(check, f"{whose} answers over TLS{through}.")]
    return [
        failure(
            check,
            f"{whose} cannot be reached{through}: {reach.fault}.",
            why="The mirror answers reads, and changes wait, for as long as this lasts.",
            fix=_FIXES[reach.kind],
        )
    ]


def issuer_finding(name: str, address: str, fault: str) -> Finding:
    """Judge an issuer whose tokens are taken. ``fault``: why its document was not to be had, empty if it was."""
    if not fault:
        return ok("issuers", f"The issuer {name} answers.")
    return warning(
        "issuers",
        f"The issuer {name} gives no keys: {fault}.",
        why="Its tokens are taken by the keys that are kept for a day at most; after that they are answered with 503.",
        fix=f"See whether {address} can be reached from here, and give its CA with ca_file in HOLDFAST_OIDC_ISSUERS.",
    )
