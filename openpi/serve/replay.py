"""Replays a recording, and tells how the actions differ: a regression test for a checkpoint, a setting or a new version.

    bazel run //openpi/serve:replay -- --recording=records --server=ws://localhost:8000
    bazel run //openpi/serve:replay -- --recording=records --checkpoint=checkpoints/aloha_reach/default --tolerance=1e-3
    bazel run //openpi/serve:replay -- --recording=records --checkpoint=NEW --against=OLD

asks a server, or a checkpoint in this process, what was asked when //openpi/serve ran with --record=DIR, in the same order, and
compares the actions with the recorded ones, or with those of a second server or checkpoint (--against). Each request starts from
the noise it had when recorded, so that the same policy gives the same actions but for rounding; where that is not possible the
result says so. --json and --png keep the figures. Exit code 1: a request failed, or a difference is above --tolerance.
"""

import json
import math
import pathlib
import sys
import time
from typing import Any

import tqdm
from absl import flags

from openpi.cli import program
from openpi.serve import replay_noise, replay_report, replay_target
from openpi.server import record_file

_RECORDING = flags.DEFINE_string("recording", None, "The recording: a folder or a file.", required=True)
_SERVER = flags.DEFINE_string("server", None, "Server to ask: ws://host:port.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "In place of a server: a checkpoint, asked in this process.")
_AGAINST = flags.DEFINE_string("against", None, "Server or checkpoint to compare with, in place of what was recorded.")
_CONFIG = flags.DEFINE_string("config", None, "Of checkpoints that have none: FILE.py[:VARIANT], or a released name.")
_API_KEY_FILE = flags.DEFINE_string("api_key_file", None, "File that holds the servers' key.")
_LIMIT = flags.DEFINE_integer("limit", None, "Requests to replay, the first ones; all if not given.", lower_bound=1)
_TOLERANCE = flags.DEFINE_float("tolerance", None, "Largest difference of an action, in the robot's units.")
_JSON = flags.DEFINE_string("json", None, "File for the figures; - for standard output, then nothing else is printed.")
_PNG = flags.DEFINE_string("png", None, "File for a picture: a histogram of each joint's differences.")


def main(_: list[str]) -> int:
    """Replays, tells, and returns the exit code."""
    files = record_file.read(_RECORDING.value)
    total = min(sum(map(len, files)), _LIMIT.value or sys.maxsize)
    if not total:
        raise ValueError(f"{_RECORDING.value} holds no request: record one with //openpi/serve -- --record=DIR")
    for file in files:
        if file.left:
            print(f"replay: {file.left} bytes at the end of {file.path} are no whole record", file=sys.stderr)
    target = _find(_SERVER.value or _CHECKPOINT.value)
    other = _find(_AGAINST.value) if _AGAINST.value else None
    report = _replay(files, total, target, other)
    told = {
        "recording": _RECORDING.value,
        "replayed": target.name,
        "against": other.name if other else "what was recorded",
        "tolerance": _TOLERANCE.value,
        **replay_report.to_json(report),
    }
    if _PNG.value:
        replay_report.draw(report, _PNG.value)
    if _JSON.value:
        content = json.dumps(told, indent=1, allow_nan=False) + "\n"
        sys.stdout.write(content) if _JSON.value == "-" else pathlib.Path(_JSON.value).write_text(content, "utf-8")
    above = _TOLERANCE.value is not None and report.largest > _TOLERANCE.value
    if _JSON.value != "-":
        _tell(told, above=above)
    return 1 if above or report.failed else 0


def _find(name: str) -> replay_target.Target:
    return replay_target.find(name, config=_CONFIG.value, api_key_file=_API_KEY_FILE.value)


def _replay(
    files: list[record_file.RecordFile], total: int, target: replay_target.Target, other: replay_target.Target | None
) -> replay_report.Report:
    shape = target.noise_shape if other is None or other.noise_shape == target.noise_shape else None
    noise = replay_noise.Noise(shape)
    report: replay_report.Report | None = None
    records = ((file.header, record) for file in files for record in file)
    progress = tqdm.tqdm(records, desc="replaying", total=total, unit="request", disable=not sys.stderr.isatty())
    for index, (header, record) in enumerate(progress):
        if index == total:
            break
        recorded = record.result
        report = report or replay_report.Report(names=_names(header, recorded))
        request = f"{record.session}-{record.request}"
        asked, how = noise.options(index, record, replay_target.noise_shape(header.metadata), record.observation)
        report.noise[how] = report.noise.get(how, 0) + 1
        try:
            actions = _ask(target, asked, report, "replayed")
            reference = _ask(other, asked, report, "against") if other else recorded.get("actions")
        except replay_target.RequestError as error:
            report.failed.append(replay_report.Failed(request, str(error)))
            continue
        _time(report, "recorded", recorded)
        report.add(request, actions, reference)
    assert report
    return report


def _ask(target: replay_target.Target, observation: dict, report: replay_report.Report, who: str) -> Any:
    start = time.perf_counter()
    result = target.infer(observation)
    report.latencies.setdefault(f"{who}, request", []).append((time.perf_counter() - start) * 1000)
    _time(report, who, result)
    return result.get("actions")


def _time(report: replay_report.Report, who: str, result: dict) -> None:
    """Notes how long the model took, as the answer says."""
    for key in ("server_timing", "policy_timing"):
        timing = result.get(key)
        value = timing.get("infer_ms") if isinstance(timing, dict) else None
        if isinstance(value, int | float) and math.isfinite(value):
            report.latencies.setdefault(f"{who}, inference", []).append(float(value))
            return


def _names(header: record_file.Header, result: dict) -> list[str]:
    """A name for every joint: the robot's, if the recorded actions are of that many."""
    actions = result.get("actions")
    count = actions.shape[-1] if getattr(actions, "ndim", 0) == 2 else 0
    robot = header.metadata.get("robot")
    names = robot.get("actions") if isinstance(robot, dict) else None
    if isinstance(names, list) and len(names) == count:
        return [str(name) for name in names]
    return [f"action {index}" for index in range(count)]


def _tell(told: dict[str, Any], *, above: bool) -> None:
    print(f"{told['requests']} requests of {told['recording']}, answered by {told['replayed']}")
    print(f"compared with {told['against']}")
    for how, count in told["noise"].items():
        print(f"{count} with {replay_noise.MEANING[how]}")
    print(replay_report.table(told))
    if told["worst"]:
        print("largest difference {:.3g}: {request}, step {step}, {joint}".format(told["largest"], **told["worst"]))
    if told["failed"]:
        print(f"{len(told['failed'])} requests FAILED")
    if told["tolerance"] is not None and told["worst"]:
        print(f"{'ABOVE' if above else 'within'} the tolerance of {told['tolerance']:g}")


def _check() -> None:
    if bool(_SERVER.value) == bool(_CHECKPOINT.value):
        raise ValueError("give either --server=ws://... or --checkpoint=DIR")
    if _SERVER.value and not _SERVER.value.startswith(("ws://", "wss://")):
        raise ValueError(f"--server={_SERVER.value} must begin with ws:// or wss://")


if __name__ == "__main__":
    program.run(main, name="replay", check=_check)
