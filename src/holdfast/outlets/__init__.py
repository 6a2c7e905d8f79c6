"""Places outside Holdfast that take lines of the audit trail: files, standard output, syslog, webhooks.

A place is given as text: ``file:/path``, ``stdout``, ``syslog://host:port`` (UDP), ``syslog+tcp://host:port``,
``syslog+unix:/path``, or the ``https://`` address of a webhook.
"""

from hashlib import sha256
from urllib.parse import urlsplit

from holdfast.outlets.files import FileOutlet, StdoutOutlet
from holdfast.outlets.syslog import DatagramSyslog, StreamSyslog
from holdfast.outlets.webhook import WebhookOutlet
from holdfast.ports import Outlet

DEFAULT_SYSLOG_PORT = 514


def open_outlet(place: str) -> Outlet:
    """Return the outlet that a place, as the settings have checked it, stands for. Nothing is opened yet."""
    kind, _, rest = place.partition(":")
    if kind == "stdout":
        return StdoutOutlet()
    if kind == "file":
        return FileOutlet(rest)
    if kind == "syslog+unix":
        return DatagramSyslog(f"syslog {rest}", rest)
    url = urlsplit(place)
    host, port = url.hostname or "", url.port
    if kind == "syslog":
        return DatagramSyslog(f"syslog {url.netloc} udp", (host, port or DEFAULT_SYSLOG_PORT))
    if kind == "syslog+tcp":
        return StreamSyslog(f"syslog {url.netloc} tcp", host, port or DEFAULT_SYSLOG_PORT)
    # A webhook's path and query may be its secret: they tell webhooks apart as a hash only.
    return WebhookOutlet(f"webhook {url.netloc.rpartition('@')[2]} {sha256(place.encode()).hexdigest()[:8]}", place)
