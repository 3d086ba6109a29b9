"""Trains a policy: from a dataset to a checkpoint that //openpi/serve serves.

    bazel run //openpi/train -- --config=experiments/aloha.py

trains a small pi0 on a simulated task, on a CPU, in minutes; the dataset is recorded first if it is not there yet. Fields
of the configuration are changed on the command line:

    ... --config.exp_name=second --config.num_train_steps=2000 --config.optimizer.weight_decay=1e-4

The run's folder, <checkpoint_base_dir>/<name>/<exp_name>, holds the checkpoints (<step>/), metrics.jsonl, TensorBoard events,
config.json and loss.png. If it exists already nothing happens to it unless you say --config.resume (go on; the result is that
of a run without a break) or --config.overwrite (delete it and start anew). Ctrl-C finishes the step, saves and ends; a second
one ends at once. Compiled programs are kept in $JAX_COMPILATION_CACHE_DIR (~/.cache/openpi/jax).
"""

import logging

from absl import logging as absl_logging

from openpi.config import app, schema
from openpi.train import training


def main(config: schema.ConfigDict | None) -> int:
    """Trains as `config` says; returns the exit code."""
    if config is None:
        raise ValueError("what to train? give --config=experiments/aloha.py, or --config_name=NAME")
    absl_logging.set_verbosity(absl_logging.WARNING)  # jax and orbax tell much at INFO
    logging.getLogger("openpi").setLevel(logging.INFO)
    return training.train(config)


if __name__ == "__main__":
    app.define_config()
    app.run(main)
