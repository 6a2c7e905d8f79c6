"""The connection pool and the schema."""

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import asyncpg

from holdfast.errors import StartupError
from holdfast.stores.postgres.errors import translating

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    type Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
