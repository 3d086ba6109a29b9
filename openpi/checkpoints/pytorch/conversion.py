"""Turns a checkpoint into PyTorch weights, and PyTorch weights into a checkpoint, parameter by parameter."""

import json
import pathlib
import shutil
from collections.abc import Mapping

import ml_dtypes
import numpy as np

from openpi.checkpoints import layout
from openpi.checkpoints.pytorch import (
    mapping,
    names,
    new_folder,
    params_writer,
    port_config,
    read,
    tensor_file,
    write,
)
from openpi.checkpoints.pytorch import source as source_lib

JAX = "jax"
LAYOUTS = (*names.LAYOUTS, JAX)
_DTYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
_COPIED = (layout.ASSETS, layout.CONFIG)  # folders


def convert(
    source: str | pathlib.Path,
    target: str | pathlib.Path,
    *,
    to: str,
    precision: str | None = None,
    action_horizon: int | None = None,
    overwrite: bool = False,
) -> pathlib.Path:
    """Converts weights of pi0 or pi0.5. Assets and the configuration beside them are copied.

    Args:
      source: a checkpoint (a step folder or a run), or a safetensors file or the folder of one; a path or a URL.
      target: the new folder. It appears when all is written.
      to: in `LAYOUTS`.
      precision: in `dtypes.PRECISIONS`; None keeps the stored types.
      action_horizon: actions per chunk, for PyTorch's `config.json`; None takes what lies beside the source.
      overwrite: replace an existing target, if it is a checkpoint.

    Returns:
      The target's absolute path.

    Raises:
      FileNotFoundError: there is no such source.
      FileExistsError: the target exists.
      OSError: the disk has not enough room.
      ValueError: the source is damaged, of another model, or doesn't fit the target's layout.
    """
    target = pathlib.Path(target).expanduser().absolute()
    new_folder.check(target, overwrite=overwrite)
    with source_lib.open_source(source) as opened:
        folder = opened.folder.resolve()
        if target.resolve() in (folder, *folder.parents):
            raise ValueError(f"--to={target} holds the weights that are read; give another folder")
        if any(target.resolve().is_relative_to(folder / name) for name in _COPIED):
            raise ValueError(f"--to={target} lies in a folder that is copied into it; give another folder")
        _check_room(target, opened.leaves, precision)
        if to == JAX:
            if not isinstance(opened, source_lib.Pytorch):
                raise ValueError(f"{folder} is a JAX checkpoint already; give --layout={' or '.join(names.LAYOUTS)}")
            with new_folder.create(target, overwrite=overwrite) as new:
                _write_checkpoint(new, opened, precision)
                _copy_beside(folder, new)
            return target
        mapping.tree_tensors(_shapes(opened.leaves))  # fails before the work, not after it
        horizon = action_horizon or source_lib.action_horizon(folder)
        with new_folder.create(target, overwrite=overwrite) as new:
            write.write_leaves(new / read.FILE, opened.leaves, opened.arrays(), layout=to, precision=precision)
            config = port_config.build(
                _shapes(opened.leaves),
                layout=to,
                precision=precision or _precision(opened.leaves),
                action_horizon=horizon,
            )
            (new / source_lib.CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            _copy_beside(folder, new)
    return target


def _write_checkpoint(step_dir: pathlib.Path, source: source_lib.Pytorch, precision: str | None) -> None:
    leaves = {path: leaf if precision is None else _cast(leaf, precision) for path, leaf in source.leaves.items()}
    with source_lib.progress_bar(leaves) as bar:

        def load(path: str) -> np.ndarray:
            array = source.read(path, leaves[path].dtype)
            bar.update(array.nbytes)
            return array

        params_writer.write(step_dir, leaves, load)


def _copy_beside(source: pathlib.Path, target: pathlib.Path) -> None:
    for name in _COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)


def _check_room(target: pathlib.Path, leaves: Mapping[str, tensor_file.Spec], precision: str | None) -> None:
    parent = next(parent for parent in target.parents if parent.exists())
    needed = sum(source_lib.nbytes(leaf if precision is None else _cast(leaf, precision)) for leaf in leaves.values())
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise OSError(
            f"{target} would take {needed / 1e9:.1f} GB, but {parent} has {free / 1e9:.1f} GB left; make room"
        )


def _cast(leaf: tensor_file.Spec, precision: str) -> tensor_file.Spec:
    return leaf._replace(dtype=_DTYPES[precision])


def _shapes(leaves: Mapping[str, tensor_file.Spec]) -> dict[str, tuple[int, ...]]:
    return {path: leaf.shape for path, leaf in leaves.items()}


def _precision(leaves: Mapping[str, tensor_file.Spec]) -> str:
    """What the source is called: its matrices count, for norms may be float32."""
    return "bfloat16" if leaves["PaliGemma/llm/layers/mlp/linear"].dtype == _DTYPES["bfloat16"] else "float32"
