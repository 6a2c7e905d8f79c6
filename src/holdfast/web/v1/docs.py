"""A page to read about the API and try it: Swagger UI from its package, under a policy that lets nothing else in."""

from functools import cache
from http import HTTPStatus
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

from holdfast.domain.extras import missing
from holdfast.keyvault_wire.routes import NoSuchPath
from holdfast.web.exchange import Exchange, RawHeaders, Reply

_OURS: Final = "holdfast"
_SWAGGER: Final = "swagger_ui_bundle"

_FILES: Final = {
    "page.css": (_OURS, b"text/css; charset=utf-8"),
    "page.js": (_OURS, b"text/javascript; charset=utf-8"),
    "swagger-ui.css": (_SWAGGER, b"text/css; charset=utf-8"),
    "swagger-ui-bundle.js": (_SWAGGER, b"text/javascript; charset=utf-8"),
}

_ALLOWED: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI's pictures are data; nothing comes from, or goes to, anywhere else."""

_POLICY: Final[RawHeaders] = (
    (b"content-security-policy", _ALLOWED),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


async def page(_: Exchange) -> Reply:
    """Return the page.

    Raises:
        NoSuchPath: Swagger UI is not installed here.
    """
    if find_spec(_SWAGGER) is None:
        raise NoSuchPath(f"{missing('This page', 'docs')} /v1/openapi.json is there without it.")
    return Reply(HTTPStatus.OK, _content(_OURS, "index.html"), _POLICY, content_type=b"text/html; charset=utf-8")


async def part(exchange: Exchange) -> Reply:
    """Return a file that the page loads.

    Raises:
        NoSuchPath: it loads no such file.
    """
    name = exchange.scope["path_params"]["file"]
    if name not in _FILES or find_spec(_SWAGGER) is None:
        raise NoSuchPath("The page at /v1/docs has no such file.")
    package, content_type = _FILES[name]
    return Reply(HTTPStatus.OK, _content(package, name), _POLICY, content_type=content_type)


@cache
def _content(package: str, name: str) -> bytes:
    if package == _SWAGGER:
        (found,) = (folder / name for folder in (files(package) / "vendor").iterdir())
        return found.read_bytes()
    return (files(package) / "web" / "v1" / "page" / name).read_bytes()
