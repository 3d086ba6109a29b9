"""Trains a policy: from a dataset to a checkpoint that //openpi/serve serves.

    bazel run //openpi/train -- --config=experiments/aloha.py

trains a small pi0 on a simulated task, on a CPU, in minutes; the dataset is recorded first if it is not there yet. Fields
of the configuration are changed on the command line:

    ... --config.exp_name=second --config.num_train_steps=2000 --config.optimizer.weight_decay=1e-4

    ... --list_configs

lists the released configurations; experiments/template.py is the beginning of your own.

The run's folder, <checkpoint_base_dir>/<name>/<exp_name>, holds the checkpoints (<step>/), metrics.jsonl, TensorBoard events,
config.json, loss.png and first_batch.png (images as the model sees them). If it exists already nothing happens to it unless
you say --config.resume (go on; the result is that of a run without a break) or --config.overwrite (delete it and start anew).
Ctrl-C finishes the step, saves and ends; a second one ends at once. Compiled programs are kept in $JAX_COMPILATION_CACHE_DIR
(~/.cache/openpi/jax).

    ... --config.validation.share=0.05

keeps a twentieth of the episodes from training and tells, with intervals, how well the model does on them: loss and sampled
actions in metrics.jsonl and validation/, pictures of predicted beside recorded actions. With --config.keep_best=1 the checkpoint
of the lowest loss stays. --config.wandb.mode=online (or offline) also reports to Weights & Biases, and --profile_steps=10:15
profiles these steps into profile/. To compare runs: //openpi/train:plot.

Several processes, on one machine or many, train one model with --coordinator, --num_processes and --process_id, or in a cluster
with --distributed=auto: openpi/train/launch has a README, a Slurm script and a Kubernetes manifest.

Before a long training, look at what the model will get:

    ... --dry_run

sends one batch along the road from the dataset to the model, prints what each stage makes of it, saves the images as the model
sees them, and says what does not fit.
"""

import logging
import pathlib

from absl import flags
from absl import logging as absl_logging

from openpi.config import app, schema
from openpi.train import dry_run, training
from openpi.trainer import distributed, distributed_flags, profile_steps

_DRY_RUN = flags.DEFINE_boolean(
    "dry_run",
    False,
    "Show one batch on its way to the model, with advice, and stop. Exit code 1 if something does not fit.",
)
_PICTURE = flags.DEFINE_string(
    "dry_run_png", None, "Where --dry_run saves the images that the model sees; default: dry_run_<config.name>.png."
)
_PROFILE = flags.DEFINE_string(
    "profile_steps", None, "FIRST:STOP: profile these steps into the run's folder, for TensorBoard and Perfetto."
)


def main(config: schema.ConfigDict) -> int:
    """Trains as `config` says; returns the exit code."""
    absl_logging.set_verbosity(absl_logging.WARNING)  # jax and orbax tell much at INFO
    logging.getLogger("openpi").setLevel(logging.INFO)
    if _DRY_RUN.value:
        return dry_run.dry_run(config, pathlib.Path(_PICTURE.value or f"dry_run_{config.name}.png").absolute())
    profile = None if _PROFILE.value is None else profile_steps.parse(_PROFILE.value)
    with distributed.joined(distributed_flags.rendezvous()) as processes:
        return training.train(config, processes, profile)


if __name__ == "__main__":
    app.define_config(question="what to train?")
    app.run(main)
