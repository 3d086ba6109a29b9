"""Converts weights of pi0 and pi0.5 between our checkpoints and PyTorch's files.

    bazel run //openpi/checkpoints/pytorch:convert -- --from=CHECKPOINT --to=FOLDER --layout=lerobot

--from is a checkpoint (a step folder, or a run: its latest step), a .safetensors file or the folder of a
model.safetensors, here or at a gs://, hf:// or https:// URL; which one, and the layout of its names, is found out.
--layout is what is written: `openpi` (the published PyTorch port's model.safetensors and config.json), `lerobot`
(LeRobot's policies), or `jax` (a checkpoint with params/). The assets and the configuration beside the weights are
copied. Neither torch nor a copy of all weights in memory is needed.
"""

import jax
from absl import flags, logging

from openpi.checkpoints.pytorch import conversion, dtypes
from openpi.cli import program

_FROM = flags.DEFINE_string(
    "from", None, "What to read: a checkpoint, a .safetensors file, or the folder of one; a path or a URL."
)
_TO = flags.DEFINE_string("to", None, "The new folder. It appears when all is written.")
_LAYOUT = flags.DEFINE_enum("layout", None, conversion.LAYOUTS, "What to write.")
_PRECISION = flags.DEFINE_enum(
    "precision",
    None,
    dtypes.PRECISIONS,
    "Type of the numbers; as stored if not given. In bfloat16 norms stay float32 in PyTorch's files.",
)
_ACTION_HORIZON = flags.DEFINE_integer(
    "action_horizon", None, "Actions per chunk, for config.json, if nothing beside the weights says it.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace --to if it is a checkpoint.")


def main(_: list[str]) -> None:
    """Converts, and prints where the result is."""
    jax.config.update("jax_platforms", "cpu")  # nothing here needs a device
    logging.set_verbosity(logging.ERROR)  # jax and orbax tell much
    target = conversion.convert(
        _FROM.value,
        _TO.value,
        to=_LAYOUT.value,
        precision=_PRECISION.value,
        action_horizon=_ACTION_HORIZON.value,
        overwrite=_OVERWRITE.value,
    )
    print(f"written to {target}")


def _check_flags() -> None:
    if missing := [flag.name for flag in (_FROM, _TO, _LAYOUT) if not flag.value]:
        raise ValueError(f"--{missing[0]} is not given")


if __name__ == "__main__":
    program.run(main, name="convert", check=_check_flags)
