"""The server: Key Vault's REST API for secrets, the OAuth2 endpoint behind it, and health, over one TLS port."""

from importlib.util import find_spec

from holdfast.domain.extras import missing

if any(find_spec(each) is None for each in ("httptools", "starlette", "uvicorn", "uvloop")):
    raise missing("The server", "server")
