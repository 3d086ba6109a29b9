"""Converts weights of pi0 and pi0.5 between our checkpoints and PyTorch's files.

    bazel run //openpi/checkpoints/pytorch:convert -- --from=CHECKPOINT --to=FOLDER --layout=lerobot

--from is a checkpoint (a step folder, or a run: its latest step), a .safetensors file or the folder of a model.safetensors,
here or at a gs://, hf:// or https:// URL; which one, and the layout of its names, is found out. --layout is what is written: `openpi` (the published PyTorch port's
model.safetensors and config.json), `lerobot` (LeRobot's policies), or `jax` (a checkpoint with params/). The assets and
the configuration beside the weights are copied. Neither torch nor a copy of all weights in memory is needed.
"""

import os
import pathlib
import sys

import jax
from absl import app, flags, logging

from openpi.checkpoints.pytorch import conversion, dtypes

USAGE_ERROR = 2
INTERRUPTED = 130

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


def main() -> None:
    """Converts, and prints where the result is."""
    target = conversion.convert(
        _FROM.value,
        _TO.value,
        to=_LAYOUT.value,
        precision=_PRECISION.value,
        action_horizon=_ACTION_HORIZON.value,
        overwrite=_OVERWRITE.value,
    )
    print(f"written to {target}")


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise ValueError(f"unexpected argument {rest[1]!r}; flags are written --name=value")
        if missing := [flag.name for flag in (_FROM, _TO, _LAYOUT) if not flag.value]:
            raise ValueError(f"--{missing[0]} is not given")
        return rest
    except SystemExit:  # --help: absl's own exit code is 1
        raise SystemExit(0) from None
    except (flags.Error, ValueError) as error:
        raise SystemExit(_fail(f"{error}; see --help", USAGE_ERROR)) from None


def _run(_: list[str]) -> int:
    jax.config.update("jax_platforms", "cpu")  # nothing here needs a device
    logging.set_verbosity(logging.ERROR)  # jax and orbax tell much
    try:
        main()
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C", INTERRUPTED)
    except (ValueError, OSError) as error:
        if os.environ.get("OPENPI_TRACEBACK") == "1":
            raise
        return _fail(str(error), 1)
    return 0


def _fail(text: str, code: int) -> int:
    print(f"convert: error: {' '.join(text.split())}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    # `bazel run` starts programs in its own tree; relative paths mean the directory that the user stands in.
    directory = os.environ.get("BUILD_WORKING_DIRECTORY")
    if directory and pathlib.Path(directory).is_dir():
        os.chdir(directory)
    app.run(_run, flags_parser=_parse)
