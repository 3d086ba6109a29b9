"""Compiled programs are kept on disk: a later start finds them there, and is ready in seconds."""

import os

import jax

from openpi.checkpoints.assets import cache


def keep() -> None:
    """Keeps compiled programs in $JAX_COMPILATION_CACHE_DIR, or beside the other files that openpi keeps."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache.data_home() / "jax"))
