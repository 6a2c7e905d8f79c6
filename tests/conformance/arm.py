"""The answers of Azure's resource manager that `az` wants before it logs in: its endpoints and subscriptions."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def endpoints(vault: str, domain: str, arm: str) -> dict[str, Any]:
    """The document of a cloud whose logins and vaults are one server at ``vault``, under ``domain``."""
    return {
        "name": "Holdfast",
        "authentication": {"loginEndpoint": vault, "audiences": [f"https://{domain}"], "tenant": "common"},
        "resourceManager": arm,
        "graph": f"https://{domain}",
        "microsoftGraphResourceId": f"https://{domain}",
        "suffixes": {"keyVaultDns": f".{domain}"},
    }


@contextmanager
def serving_arm(chain_file: Path, vault: str, domain: str, arm: str, tenant: str) -> Iterator[int]:
    """The port of such a resource manager, under the certificate of ``chain_file``."""
    subscription = {
        "id": f"/subscriptions/{tenant}",
        "subscriptionId": tenant,
        "tenantId": tenant,
        "displayName": "test",
        "state": "Enabled",
    }
    answers = {
        "/metadata/endpoints": endpoints(vault, domain, arm),
        "/subscriptions": {"value": [subscription]},
        "/tenants": {"value": [{"tenantId": tenant}]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(urlsplit(self.path).path.rstrip("/"))
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
