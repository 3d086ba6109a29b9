"""Writes a checkpoint's parameters one after the other, so that one of them is in memory at a time."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

from openpi.checkpoints import layout, restore
from openpi.checkpoints.pytorch import tensor_file

_CHUNK_BYTES = 64 << 20  # of the stored blocks, so that readers need not decode a whole array at once


def write(step_dir: pathlib.Path, leaves: Mapping[str, tensor_file.Spec], load: Callable[[str], np.ndarray]) -> None:
    """Writes a step folder in the published layout, with its parameters alone.

    Args:
      step_dir: a new folder, or an empty one.
      leaves: path -> shape and dtype.
      load: gives the parameter of a path; called once each.
    """
    tree = {path: _Later(spec, path, load) for path, spec in leaves.items()}
    item = {layout.PARAMS: restore.append_value(traverse_util.unflatten_dict(tree, sep="/"))}
    registry = ocp.type_handlers.create_type_handler_registry((_Later, _OneByOne(deepcopy_host_arrays=False)))
    save_args = {path: ocp.SaveArgs(chunk_byte_size=_CHUNK_BYTES) for path in traverse_util.flatten_dict(item)}
    handler = ocp.PyTreeCheckpointHandler(type_handler_registry=registry)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler(**{layout.PARAMS: handler})) as checkpointer:
        save = ocp.args.PyTreeSave(item, save_args=traverse_util.unflatten_dict(save_args))
        checkpointer.save(step_dir.absolute(), ocp.args.Composite(**{layout.PARAMS: save}), force=True)
    (step_dir / "commit_success.txt").unlink(missing_ok=True)  # Orbax's note, which names the folder it wrote into


class _Later:
    """An array that is loaded when numpy asks for it."""

    def __init__(self, spec: tensor_file.Spec, path: str, load: Callable[[str], np.ndarray]) -> None:
        self.shape, self.dtype = spec
        self.ndim = len(spec.shape)
        self.size = int(np.prod(spec.shape))
        self.nbytes = self.size * spec.dtype.itemsize
        self._load = lambda: load(path)

    def __array__(self, dtype: np.typing.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._load(), dtype)


class _OneByOne(ocp.type_handlers.NumpyHandler):
    """Orbax would start to write all arrays at once."""

    async def _background_serialize(
        self,
        values: Sequence[Any],
        infos: Sequence[ocp.type_handlers.ParamInfo],
        args: Sequence[ocp.SaveArgs] | None = None,
    ) -> None:
        for value, info, arg in zip(values, infos, args, strict=True):
            await super()._background_serialize([np.asarray(value)], [info], [arg])
