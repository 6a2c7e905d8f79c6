"""Two keys, and nodes that hold one or both."""

import base64
from pathlib import Path
from typing import Any

from holdfast.crypto.keyring import RingKey, parse_key
from holdfast.service.manager import SecretsService
from tests.support.node import rows, service_on
from tests.support.world import KEY

NEW = base64.b64encode(bytes(range(100, 132))).decode()
OLD_ID, NEW_ID = RingKey(parse_key(KEY)).id, RingKey(parse_key(NEW)).id
BOTH: dict[str, Any] = {"encryption_key": KEY, "decryption_keys": (NEW,)}


def node(dsn: str, folder: Path, *, background: bool = False, **settings: Any) -> SecretsService:
    """A node that is not started yet, with both keys if nothing else is said."""
    return service_on(dsn, folder, background=background, **{**BOTH, **settings})


async def key_of(dsn: str, name: str) -> str:
    """The id of the key that a secret's current value is sealed under."""
    ((key_id,),) = await rows(dsn, "SELECT key_id FROM secrets_vault WHERE secret_name = $1", name)
    return str(key_id)
