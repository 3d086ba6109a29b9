"""Functions in processes of their own: their memory and caches begin empty."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable
from typing import Any


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `function`, of a module's top level, returns in a process that is started for it and ends with it."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()
