"""Makes a recording of what published openpi's server has recorded, for :replay and :recording_to_lerobot.

    bazel run //openpi/serve:convert_recording -- --records=policy_records --output=records.recording --config=pi05_droid

reads step_0.npy, step_1.npy, ... of a folder, which are pickles, by a reader of its own that runs nothing of them and refuses what
such a file has no use for. --config, a released name or FILE.py[:VARIANT], tells whose they are: robot and joints' names. All of it
becomes one session; the published recorder keeps neither times (the files' own are taken) nor the noise.
"""

import pathlib
import re
import sys
from typing import Any

import tqdm
from absl import flags

from openpi.cli import program
from openpi.client import msgpack_numpy
from openpi.config import load, table
from openpi.serve import published_record
from openpi.server import record_file

_STEP = re.compile(r"step_(\d{1,9})\.npy")

_RECORDS = flags.DEFINE_string("records", None, "Folder of the published recorder.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, f"File for the recording, *{record_file.SUFFIX}.", required=True)
_CONFIG = flags.DEFINE_string("config", None, "Configuration of the policy: FILE.py[:VARIANT], or a released name.")


def main(_: list[str]) -> int:
    """Converts. Returns the exit code."""
    files = _files(pathlib.Path(_RECORDS.value))
    output = pathlib.Path(_OUTPUT.value)
    partial = output.with_name(f".{output.name}.partial")
    with partial.open("xb") as file:
        try:
            file.write(record_file.begin(_header(files[0])))
            for number, path in enumerate(
                tqdm.tqdm(files, desc="converting", unit="file", disable=not sys.stderr.isatty()), 1
            ):
                file.write(record_file.pack(_record(path, number)))
            partial.rename(output)
        finally:
            partial.unlink(missing_ok=True)
    print(f"{output}: {len(files)} requests")
    return 0


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    numbered = {int(match[1]): path for path in folder.glob("step_*.npy") if (match := _STEP.fullmatch(path.name))}
    if not numbered:
        raise FileNotFoundError(f"no step_0.npy, step_1.npy, ... in {folder}: give the published recorder's folder")
    return [numbered[number] for number in sorted(numbered)]


def _header(first: pathlib.Path) -> record_file.Header:
    metadata, name = {}, ""
    if _CONFIG.value:
        config = load.load(_CONFIG.value if ".py" in _CONFIG.value else table.config_path(_CONFIG.value))
        metadata, name = {**config.policy_metadata.to_dict(), "robot": config.data.robot.to_dict()}, config.name
    return record_file.Header(metadata=metadata, checkpoint="", config_name=name, started=first.stat().st_mtime)


def _record(path: pathlib.Path, number: int) -> record_file.Record:
    values = published_record.read(path)
    return record_file.Record(
        session="published",
        request=number,
        arrived=path.stat().st_mtime,
        drawn=None,
        message=msgpack_numpy.packb(_nested(values, "inputs/", path)),
        reply=msgpack_numpy.packb(_nested(values, "outputs/", path)),
    )


def _nested(values: dict[str, Any], prefix: str, path: pathlib.Path) -> dict[str, Any]:
    """The part of a flat dict below a prefix, as nested dicts."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not key.startswith(prefix):
            continue
        *parents, last = key.removeprefix(prefix).split("/")
        inner = found
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{path}: {key} lies below a value")
        inner[last] = value
    if not found:
        raise ValueError(f"{path} has no {prefix}...")
    return found


if __name__ == "__main__":
    program.run(main, name="convert_recording")
