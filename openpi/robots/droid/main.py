"""Lets a policy server drive DROID's robot, rollout by rollout, and keeps what came of each.

    bazel run //openpi/robots/droid -- --host=SERVER --external_camera=left --left_camera_id=ID --right_camera_id=ID --wrist_camera_id=ID

and, on any machine, with a simulated arm and test pictures in place of the robot,

    bazel run //openpi/robots/droid -- --external_camera=left --dry_run

Asks for an instruction, runs the rollout, asks how far it succeeded, and begins again; an empty instruction ends. Ctrl-C ends a
rollout, once its answer has come; e, space and Esc stop the robot where it is. openpi/robots/droid/README.md leads from
unboxing to the first motion.
"""

from __future__ import annotations

import contextlib
import pathlib
import signal
from collections.abc import Iterator

from absl import flags

from openpi.cli import program
from openpi.robots.driving import drive, drive_flags, server_flags
from openpi.robots.droid import environment, film, hardware, limits, results, simulated
from openpi.runtime import emergency_stop, runtime

_EXTERNAL_CAMERA = flags.DEFINE_enum(
    "external_camera", None, environment.SIDES, "Which camera beside the robot the policy sees."
)
_CAMERA_IDS = {
    name: flags.DEFINE_string(f"{name}_camera_id", None, f"Number of the {name} ZED camera.")
    for name in (*environment.SIDES, "wrist")
}
_OPEN_LOOP_HORIZON = flags.DEFINE_integer(
    "open_loop_horizon", 8, "Actions of a chunk that are played before the next is asked for.", lower_bound=1
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "results", "Folder for results and videos.")


def main(_: list[str]) -> None:
    modules = None if drive_flags.DRY_RUN.value else hardware.libraries()
    stop = emergency_stop.EmergencyStop()
    with contextlib.ExitStack() as stack:
        policy = stack.enter_context(server_flags.connect())
        arm = simulated.SimulatedDroid() if modules is None else hardware.DroidHardware(modules, _camera_ids())
        stack.callback(arm.close)
        robot = environment.DroidEnvironment(arm, external_camera=_EXTERNAL_CAMERA.value)
        driven = drive.Drive(
            policy,
            robot,
            drive_flags.limit(limits.LIMITS),
            measure=environment.measure,
            stop=stop,
            action_horizon=_OPEN_LOOP_HORIZON.value,
            playback=drive_flags.PLAYBACK.value,
        )
        driven.check()
        kept = stack.enter_context(contextlib.closing(results.Results(pathlib.Path(_OUTPUT_DIR.value))))
        stack.callback(lambda: print(kept.report(), flush=True))
        filmed = film.Film(kept.path.with_name("robot_camera_views.png"))
        while instruction := _ask("What should the robot do? (nothing: end) "):
            robot.prompt, filmed.video = instruction, kept.next_video()
            steps = _roll_out(driven, filmed)
            kept.add(instruction, _ask_score(), steps)


def _roll_out(driven: drive.Drive, filmed: film.Film) -> int:
    """Runs an episode; returns how many steps it had. Ctrl-C ends it after the step that is being made."""
    steps = max(drive_flags.MAX_EPISODE_STEPS.value - 1, 1)  # the runtime makes one more
    with contextlib.ExitStack() as stack:
        report = driven.run(
            max_episode_steps=steps,
            subscribers=[filmed],
            started=lambda loop: stack.enter_context(_ctrl_c_ends(loop)),
        )
    return report.steps - 1


@contextlib.contextmanager
def _ctrl_c_ends(loop: runtime.Runtime) -> Iterator[None]:
    """The first Ctrl-C lets the step that is being made come to its end, its answer included; a second breaks off."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        loop.mark_episode_complete()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ask(question: str) -> str:
    """What a person answers; nothing at the end of the input."""
    print(question, end="", flush=True)
    try:
        return input().strip()
    except EOFError:
        return ""


def _ask_score() -> float:
    while (score := results.score(answer := _ask("Did it succeed? (y, n, or 0 to 100 %) "))) is None:
        if not answer:
            raise ValueError(
                "the input ended before it said how far the rollout succeeded: answer y, n or a percentage"
            )
    return score


def _camera_ids() -> dict[str, str]:
    return {name: flag.value for name, flag in _CAMERA_IDS.items()}


def _check() -> None:
    if not _EXTERNAL_CAMERA.value:
        raise ValueError("give --external_camera=left or --external_camera=right: the one that sees the task better")
    missing = [name for name, flag in _CAMERA_IDS.items() if not flag.value]
    if missing and not drive_flags.DRY_RUN.value:
        raise ValueError(f"give --{missing[0]}_camera_id, or --dry_run for a simulated arm")


if __name__ == "__main__":
    flags.set_default(drive_flags.MAX_EPISODE_STEPS, 600)
    program.run(main, check=_check, interrupted="ended by Ctrl-C")
