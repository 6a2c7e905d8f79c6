"""A stand-in for a store of App Configuration: its settings are references to a vault's secrets, and nothing else."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_REFERENCE = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"


@contextmanager
def serving_store(chain_file: Path, references: Mapping[str, str]) -> Iterator[int]:
    """The port of a store under the certificate of ``chain_file``; ``references``: the address of a secret by key.

    It takes any signature: what is tried is how its clients follow the references.
    """
    items: list[dict[str, Any]] = [
        {
            "key": key,
            "label": None,
            "value": json.dumps({"uri": address}),
            "content_type": _REFERENCE,
            "etag": key,
            "tags": {},
            "locked": False,
            "last_modified": "2026-01-01T00:00:00+00:00",
        }
        for key, address in references.items()
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"items": items} if urlsplit(self.path).path == "/kv" else None
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("etag", '"page"')
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
