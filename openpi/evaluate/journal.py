"""Episodes as they end, each a line of JSON in a file, so that an evaluation that was broken off goes on where it stopped.

The first line tells the conditions: who goes on must have the same.
"""

import fcntl
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from openpi.evaluate import episode as episode_lib

_VERSION = 1
_MOST_BYTES = 256 * 2**20
_START_ANEW = "or start anew with --overwrite"


class Journal:
    """The file of one evaluation, which this process alone writes. Leaving the `with` block closes it."""

    def __init__(self, path: pathlib.Path, conditions: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Opens the file and reads what is there; a line that a kill left torn goes.

        Args:
          path: of the file; its folder is made.
          conditions: what must be the same for episodes to stand in one file; ready for JSON.
          overwrite: start anew, whatever is there.

        Raises:
          ValueError: the file is of other conditions, which are named, or damaged.
          RuntimeError: another process writes it.
        """
        self.episodes: dict[tuple[str, str, int], episode_lib.Episode] = {}
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab+")
        try:
            self._lock()
            if overwrite:
                self._file.truncate(0)
            self._read(conditions)
        except BaseException:
            self._file.close()
            raise

    def add(self, episode: episode_lib.Episode) -> None:
        """Keeps an episode; once this returns, no kill takes it away."""
        self.episodes[episode.key] = episode
        self._write(episode_lib.to_json(episode))

    def close(self) -> None:
        """Closes the file; another process may go on with it."""
        self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{self._path} is being written by another evaluation; wait for it, or choose another --output_dir"
            ) from None

    def _read(self, conditions: Mapping[str, Any]) -> None:
        if (size := self._path.stat().st_size) > _MOST_BYTES:
            raise ValueError(f"{self._path} has {size} bytes, too many for an evaluation; move it away, {_START_ANEW}")
        self._file.seek(0)
        text = self._file.read()
        whole = text.rfind(b"\n") + 1
        self._file.truncate(whole)  # What follows the last line's end was being written when the process was killed.
        lines = text[:whole].splitlines()
        if not lines:
            self._write({"version": _VERSION, "conditions": dict(conditions)})
            return
        self._check(self._parse(0, lines[0]), json.loads(json.dumps(dict(conditions))))
        for number, line in enumerate(lines[1:], 1):
            try:
                episode = episode_lib.from_json(self._parse(number, line))
            except ValueError as error:
                raise ValueError(f"{self._path}, line {number + 1}: {error}; mend the line, {_START_ANEW}") from None
            self.episodes[episode.key] = episode

    def _parse(self, number: int, line: bytes) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"{self._path}, line {number + 1} is no JSON; move the file away, {_START_ANEW}") from None

    def _check(self, head: Any, now: Mapping[str, Any]) -> None:
        before = head.get("conditions") if isinstance(head, dict) and head.get("version") == _VERSION else None
        if not isinstance(before, dict):
            raise ValueError(
                f"{self._path} does not begin with an evaluation's conditions; move it away, {_START_ANEW}"
            )
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ValueError(
                    f"{self._path} holds episodes with {name} {before.get(name)!r:.200}, and now it is {now.get(name)!r:.200}: "
                    f"set it back, choose another --output_dir, {_START_ANEW}"
                )

    def _write(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
