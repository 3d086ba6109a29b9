"""Fetches LeRobot datasets from the Hugging Face Hub, and prints where they are on this machine.

    bazel run //openpi/datasets:pull -- OWNER/NAME

Training with --config.data.repo_id=OWNER/NAME finds them there, and would fetch them itself. Private and gated datasets need the
token of HF_TOKEN or of `hf auth login`. Ctrl-C keeps what was downloaded; the same command goes on from there.
"""

import logging

from absl import flags

from openpi.cli import program
from openpi.data import hub

_REVISION = flags.DEFINE_string("revision", "", "A branch, tag or commit; by default the newest format that is tagged.")
_FORCE = flags.DEFINE_bool("force", False, "Ask the Hub for changes, although it is complete here.")


def main(names: list[str]) -> None:
    """Fetches one after the other."""
    logging.getLogger("openpi").setLevel(logging.INFO)
    for name in names:
        print(hub.fetch(name, revision=_REVISION.value, force=_FORCE.value), flush=True)


if __name__ == "__main__":
    program.run(
        main, name="pull", positional="OWNER/NAME...", interrupted="stopped by Ctrl-C; run the same command to go on"
    )
