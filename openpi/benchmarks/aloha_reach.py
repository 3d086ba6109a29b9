"""Joins the evaluations of several training seeds of the default recipe into one result, and checks its targets.

    for SEED in 1 2 3; do
      bazel run //openpi/train -- --config=experiments/aloha.py --config.seed=$SEED --config.exp_name=seed$SEED
      bazel run //openpi/evaluate -- --checkpoint=checkpoints/aloha_reach/seed$SEED --baselines --json=seed$SEED.json
    done
    bazel run //openpi/benchmarks:aloha_reach -- --evaluation=seed1.json --evaluation=seed2.json --evaluation=seed3.json

The exit code is 1 when the targets are missed.
"""

import json
import os
import pathlib
import platform

from absl import flags

from openpi.benchmarks import training_seeds
from openpi.config import app

_EVALUATIONS = flags.DEFINE_multi_string("evaluation", [], "A results.json of //openpi/evaluate; once a training seed.")
_JOB_SECONDS = flags.DEFINE_multi_float("job_seconds", [], "Wall time of each training job, in the same order.")
_PEAK_MEMORY_MIB = flags.DEFINE_multi_float("peak_memory_mib", [], "Peak resident memory of each training job.")
_COMMIT = flags.DEFINE_string("commit", None, "The commit that was measured.")
_NOTE = flags.DEFINE_string("note", None, "Conditions worth telling: what else ran on the machine.")
_JSON = flags.DEFINE_string("json", None, "File for the result.")


def main() -> int:
    """Joins, prints, writes."""
    result = training_seeds.combine([json.loads(pathlib.Path(path).read_text()) for path in _EVALUATIONS.value])
    result["machine"] = {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
    result["job_seconds"] = _JOB_SECONDS.value
    result["peak_memory_mib"] = _PEAK_MEMORY_MIB.value
    result["commit"] = _COMMIT.value
    result["note"] = _NOTE.value
    print(training_seeds.table(result))
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0 if result["targets"]["met"] else 1


if __name__ == "__main__":
    app.run(main)
