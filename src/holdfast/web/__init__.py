"""The server: Key Vault's REST API for secrets, the OAuth2 endpoint behind it, and health, over one TLS port."""

from importlib.util import find_spec

from holdfast import bootstrap  # noqa: F401 - it says so where no node runs at all
from holdfast.domain.extras import missing

if any(find_spec(each) is None for each in ("httptools", "starlette", "uvicorn", "uvloop")):
    raise missing("The server", "server")
