"""Single questions to PostgreSQL where no session can be held."""

from typing import Any

import asyncpg

from holdfast.errors import BackendUnavailable
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import Lane


class Questions:
    """Asks as a connection that is held does, each time in a transaction of its own."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database, self._lane = database, lane

    async def fetchrow(self, query: str, *arguments: object, timeout: float) -> Any:  # noqa: ASYNC109 - as asyncpg's
        """The first row of the answer; ``timeout`` in seconds.

        Raises:
            asyncpg.LockNotAvailableError: PostgreSQL is there, and somebody else holds the rows.
            BackendUnavailable: it does not answer.
        """
        try:
            async with self._database.connection(self._lane, probing=True) as connection:
                return await connection.fetchrow(query, *arguments, timeout=timeout)
        except BackendUnavailable as error:
            if isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                raise error.__cause__ from None
            raise

    def get_server_pid(self) -> int:
        """None that anyone waits for: who is in the way of a question is not looked for."""
        return 0
