"""What came of rollouts, as CSV."""

from __future__ import annotations

import csv
import pathlib

_COLUMNS = ("rollout", "instruction", "success", "steps", "video")


def score(answer: str) -> float | None:
    """How far a rollout succeeded, 0 to 1: of "y", "n" or a percentage; None for anything else."""
    text = answer.strip().lower().removesuffix("%")
    if text in ("y", "n"):
        return float(text == "y")
    if not text.isascii() or not text.isdigit() or int(text) > 100:
        return None
    return int(text) / 100


class Results:
    """A folder's next results: `results_<n>.csv`, and beside it the rollouts' videos."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Takes the next number that is free in `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            self.path = folder / f"results_{number:03}.csv"
            try:
                self._file = self.path.open("x", newline="", encoding="utf-8")
                break
            except FileExistsError:
                number += 1
        self._writer = csv.writer(self._file)
        self._write(_COLUMNS)
        self._rollouts = 0
        self._successes: list[float] = []

    def next_video(self) -> pathlib.Path:
        """The file of the coming rollout's video."""
        return self.path.with_name(f"{self.path.stem}_rollout_{self._rollouts + 1:03}.mp4")

    def add(self, instruction: str, success: float, steps: int) -> None:
        """Writes a rollout's line, at once."""
        video = self.next_video().name
        self._rollouts += 1
        self._successes.append(success)
        self._write((self._rollouts, instruction, f"{success:g}", steps, video))

    def report(self) -> str:
        """One line."""
        mean = sum(self._successes) / len(self._successes) if self._successes else 0.0
        return f"{self._rollouts} rollouts, mean success {mean:.2f}: {self.path}"

    def close(self) -> None:
        self._file.close()

    def _write(self, row: tuple) -> None:
        self._writer.writerow(row)
        self._file.flush()
