"""A process that rewraps until it is killed."""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from unittest.mock import patch

from holdfast import create_secrets_service
from holdfast.config import Settings

_BATCH = 7
"""Rows in a transaction: few, so that there are many moments to be killed at."""


def begin(settings: Settings) -> tuple[BaseProcess, Connection]:
    """Start one; it says when it begins, and when nothing remains."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(theirs, settings), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _live(connection: Connection, settings: Settings) -> None:
    with patch("holdfast.service.keys.rewrapping.BATCH", _BATCH):
        asyncio.run(_work(connection, settings))


async def _work(connection: Connection, settings: Settings) -> None:
    async with create_secrets_service(settings, background=False) as service:
        connection.send("begun")
        while (await service.keys.rewrap()).remaining:
            pass
        connection.send("done")
