"""Makes a LeRobot dataset of a recording, to look at it or to train on it.

    bazel run //openpi/serve:recording_to_lerobot -- --recording=records --output=recorded
    bazel run //openpi/datasets:inspect -- recorded --png=pictures

Each session of a client is an episode (several, if its prompt changes), each request a frame: state, images, and the first action
of the chunk that was answered. A client that executes several actions of a chunk asks less often than its robot moves: --fps is the
rate of the requests, measured if not given.
"""

import sys

import tqdm
from absl import flags

from openpi.cli import program
from openpi.serve import recorded_dataset
from openpi.server import record_file

_RECORDING = flags.DEFINE_string("recording", None, "The recording: a folder or a file.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the dataset.", required=True)
_FPS = flags.DEFINE_float("fps", None, "Requests a second; measured if not given.", lower_bound=0.01)
_TASK = flags.DEFINE_string("task", None, "What the robot did, for requests without a prompt.")


def main(_: list[str]) -> int:
    """Writes the dataset. Returns the exit code."""
    planned = recorded_dataset.plan(record_file.read(_RECORDING.value), task=_TASK.value)
    fps = _FPS.value or (planned.rate and max(round(planned.rate, 2), 0.01))
    if not fps:
        raise ValueError("no session has two requests, so that their rate is unknown: give --fps")
    for source in planned.left_out:
        print(f"left out: {source}, which some requests lack", flush=True)
    show = lambda episodes: tqdm.tqdm(episodes, desc="writing", unit="episode", disable=not sys.stderr.isatty())
    recorded_dataset.write(planned, _OUTPUT.value, fps, progress=show)
    frames = sum(len(episode.requests) for episode in planned.episodes)
    print(f"{_OUTPUT.value}: {len(planned.episodes)} episodes, {frames} frames at {fps:g} a second")
    return 0


if __name__ == "__main__":
    program.run(main, name="recording_to_lerobot")
