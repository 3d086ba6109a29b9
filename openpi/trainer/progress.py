"""What a person sees of a running training: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Self, TextIO

import tqdm


class Progress:
    """Reports steps, rate, the share of time that was spent waiting for data, and the time left.

    On a terminal there is a bar; elsewhere only the lines of `report`. Use it as a context manager.

    Args:
      start: the first step that will be done.
      end: one more than the last.
      stream: where to write; None for standard error.
    """

    def __init__(self, start: int, end: int, stream: TextIO | None = None):
        self._end = end
        self._stream = stream = stream or sys.stderr
        self._bar = tqdm.tqdm(
            total=end,
            initial=start,
            unit="step",
            desc="train",
            dynamic_ncols=True,
            smoothing=0.1,
            file=stream,
            disable=not stream.isatty(),
        )
        self._interval = _Interval()

    def step_done(self, *, data_wait: float) -> None:
        """Counts a step in which the program waited `data_wait` seconds for its batch."""
        self._interval.steps += 1
        self._interval.waited += data_wait
        self._bar.update()

    def report(
        self, step: int, metrics: Mapping[str, float], step_seconds_at_peak: float | None = None
    ) -> dict[str, float]:
        """Writes one line about the steps since the last report.

        Args:
          step: the last step that was done.
          metrics: averages over those steps.
          step_seconds_at_peak: how long a step's arithmetic takes at best, where it is known.

        Returns:
          `steps_per_second`; `data_wait`, the share (0 to 1) of the time that was spent waiting for data; and, where the
          best is known, `mfu` (model FLOP utilisation), the share of it that was reached.
        """
        seconds = max(time.monotonic() - self._interval.began, 1e-9)
        rate, wait = self._interval.steps / seconds, min(1.0, self._interval.waited / seconds)
        values = ", ".join(f"{name}={value:.4f}" for name, value in metrics.items())
        left = duration((self._end - step - 1) / rate) if rate else "?"
        rates = {"steps_per_second": rate, "data_wait": wait}
        reached = ""
        if step_seconds_at_peak is not None:
            rates["mfu"] = rate * step_seconds_at_peak
            reached = f"MFU {rates['mfu']:.1%}, "
        line = f"Step {step}: {values} ({rate:.3g} steps/s, {reached}data wait {wait:.0%}, {left} left)"
        self._bar.set_postfix_str(f"loss={metrics.get('loss', float('nan')):.4f}, data wait {wait:.0%}", refresh=False)
        self._bar.write(line, file=self._stream)
        self._stream.flush()
        self._interval = _Interval()
        return rates

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.close()


class _Interval:
    """What happened since the last report."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.steps = 0
        self.waited = 0.0


def duration(seconds: float) -> str:
    """`4:05`, or `1:04:05`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
