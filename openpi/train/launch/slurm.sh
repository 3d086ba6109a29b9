#!/bin/bash
# Trains on several nodes, a task a GPU. Adapt the #SBATCH lines to the cluster; the rest finds out by itself.
#
#   sbatch openpi/train/launch/slurm.sh --config=experiments/aloha.py:pi0_aloha_pen_uncap --config.fsdp_devices=8
#
# Submit it from the repository's folder, which all nodes share (as they do your home, where Bazel builds), after
#
#   tools/bazel build --config=cuda //openpi/train
#   ln -sfn "$(tools/bazel info --config=cuda bazel-bin)" bazel-bin
#
# Two minutes before the time limit, or when the job is preempted, all tasks save; the job is queued again and goes on.
#SBATCH --job-name=openpi
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=openpi-%j.log

set -u
cd "${SLURM_SUBMIT_DIR:-.}" || exit 1

train=bazel-bin/openpi/train/train
if [[ ! -x $train ]]; then
  echo "slurm.sh: there is no $PWD/$train; build it and make the link, as this script's first lines say" >&2
  exit 1
fi

# The first start makes the run, every further one (SLURM_RESTART_COUNT is set) goes on with it.
resume=()
if [[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]]; then
  resume=(--config.resume)
fi

# A task that fails takes the others with it (they would end by themselves, with a line); one that stops in time does not.
srun --kill-on-bad-exit=0 "$train" --distributed=slurm "$@" "${resume[@]}"
code=$?

# 143: stopped by SIGTERM, everything saved.
if [[ $code -eq 143 ]]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
