"""Why there is no connection, by kind: for doctor, health and the log alike."""

import socket
import ssl
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientConnectorError, ClientProxyConnectionError

from holdfast.stores.keyvault.transport import ProxyRefused

_WRONG_NAME: Final = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""

_OLD_VERSION: Final = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER")
"""Parts of OpenSSL's reasons for two sides that have no version of TLS in common."""


@dataclass(frozen=True, slots=True)
class ConnectionFault:
    """``kind``: untrusted, tls, name, silent, refused or proxy. ``text``: what happened, to stand after a colon."""

    kind: str
    text: str


def connection_fault(error: BaseException) -> ConnectionFault:
    """Return what kept a connection from being made. Nothing that a server wrote gets into the text."""
    *outer, cause = _chain(error)
    if isinstance(cause, ProxyRefused):
        return ConnectionFault("proxy", f"the proxy opens no way to it (it answers {cause.status})")
    fault = _fault(cause)
    if any(isinstance(each, ClientProxyConnectionError) for each in outer):
        return ConnectionFault("proxy", f"the proxy is out of reach: {fault.text}")
    return fault


def _fault(cause: BaseException) -> ConnectionFault:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConnectionFault("untrusted", _of_certificate(cause))
    if isinstance(cause, ssl.SSLError):
        return ConnectionFault("tls", _of_tls(cause))
    if isinstance(cause, socket.gaierror):
        return ConnectionFault("name", "its name is not known to DNS")
    if isinstance(cause, TimeoutError):
        return ConnectionFault("silent", "there is no sign of it within the time allowed")
    return ConnectionFault("refused", _of_tcp(cause))


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what aiohttp and the SDK wrapped in it, the innermost last; how a time limit ended is left out."""
    chain: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in chain:
        chain.append(inner)
        wrapped = inner.os_error if isinstance(inner, ClientConnectorError) else None
        inner = wrapped if isinstance(wrapped, BaseException) else inner.__cause__
        if isinstance(chain[-1], TimeoutError):
            break
    return chain


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _WRONG_NAME:
        return "its certificate is for another name"
    return f"its certificate is not trusted ({error.verify_message})"


def _of_tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    if any(part in reason for part in _OLD_VERSION):
        return f"it speaks no TLS 1.3, and Holdfast nothing older ({reason})"
    return f"TLS fails ({reason})"


def _of_tcp(error: BaseException) -> str:
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return "the other side breaks it off before TLS is agreed; Holdfast speaks TLS 1.3 only"
    return f"the connection fails ({type(error).__name__})"
