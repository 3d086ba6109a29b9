"""What a person sees of a running training: a bar on a terminal, now and then a line elsewhere."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Self, TextIO

import tqdm

from openpi.trainer import memory_use


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of the steps beforehand.

    Attributes:
      batch_size: samples of a step; 0 where a step has none.
      learning_rate: by step; None where there is none.
      step_seconds_at_peak: what a step's arithmetic would take at best, for the metric `mfu`; None where it is not known.
    """

    batch_size: int = 0
    learning_rate: Callable[[int], float] | None = None
    step_seconds_at_peak: float | None = None


NO_FACTS = Facts()


class Progress:
    """Reports steps, rates, the share of time that was spent waiting for data, memory, and the time left.

    On a terminal there is a bar; elsewhere only the lines of `report`. Use it as a context manager.

    Args:
      start: the first step that will be done.
      end: one more than the last.
      stream: where to write; None for standard error.
      facts: of the steps.
    """

    def __init__(self, start: int, end: int, stream: TextIO | None = None, facts: Facts = NO_FACTS):
        self._end, self._facts = end, facts
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

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What happens within is no part of the steps' time."""
        began = time.monotonic()
        yield
        self._interval.began += time.monotonic() - began

    def report(self, step: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """Writes one line about the steps since the last report.

        Args:
          step: the last step that was done.
          metrics: averages over those steps.

        Returns:
          `steps_per_second`; `data_wait`, the share (0 to 1) of the time that was spent waiting for data; `memory_gib`, see
          `memory_use`; and, where the facts tell, `samples_per_second`, `learning_rate` (of this step) and `mfu` (model FLOP
          utilisation), the share of the best rate that was reached.
        """
        seconds = max(time.monotonic() - self._interval.began, 1e-9)
        rate, wait = self._interval.steps / seconds, min(1.0, self._interval.waited / seconds)
        memory, facts = memory_use.now(), self._facts
        rates = {"steps_per_second": rate, "data_wait": wait, "memory_gib": memory.used_gib}
        said = [f"{rate:.3g} steps/s"]
        if facts.batch_size:
            rates["samples_per_second"] = rate * facts.batch_size
            said.append(f"{rates['samples_per_second']:.3g} samples/s")
        if facts.step_seconds_at_peak is not None:
            rates["mfu"] = rate * facts.step_seconds_at_peak
            said.append(f"MFU {rates['mfu']:.1%}")
        left = duration((self._end - step - 1) / rate) if rate else "?"
        said += [f"data wait {wait:.0%}", str(memory), f"{left} left"]
        values = [f"{name}={value:.4f}" for name, value in metrics.items()]
        if facts.learning_rate is not None:
            rates["learning_rate"] = float(facts.learning_rate(step))
            values.append(f"learning_rate={rates['learning_rate']:.3g}")
        line = f"Step {step}: {', '.join(values)} ({', '.join(said)})"
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
