"""Runs a coroutine for a caller who may have an event loop of its own, as notebooks do."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Its result or its error. Ctrl-C stops the coroutine, waits until it has cleaned up, and goes on."""
    loop = asyncio.new_event_loop()
    # A daemon: a second Ctrl-C ends the program at once.
    thread = threading.Thread(target=loop.run_forever, name="openpi-fetch", daemon=True)
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        thread.start()
        return future.result()
    finally:
        future.cancel()  # only after Ctrl-C is there something left to stop
        if thread.is_alive():
            asyncio.run_coroutine_threadsafe(_drain(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
        loop.close()


async def _drain() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*rest, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
