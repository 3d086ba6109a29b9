"""A profile of some steps: where their time goes, for TensorBoard (with its profile plugin) and Perfetto."""

import logging
import pathlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import jax

_LOGGER = logging.getLogger("openpi")
FOLDER = "profile"


class Window(NamedTuple):
    """Steps from `first` up to, but without, `stop`."""

    first: int
    stop: int


def parse(text: str) -> Window:
    """`10:15` is the five steps from 10 on. Raises ValueError if it is something else."""
    match = re.fullmatch(r"(\d{1,12}):(\d{1,12})", text)
    window = Window(int(match[1]), int(match[2])) if match else Window(0, 0)
    if window.first >= window.stop:
        raise ValueError(f"--profile_steps={text!r} must be FIRST:STOP, e.g. 10:15 for the five steps from 10 on")
    return window


class ProfiledStep:
    """A step function that profiles some of its calls. Use it as a context manager: training may end within the window.

    Args:
      step_fn: `(state, ...) -> (state, metrics)`, called for one step after the other.
      first_step: of the first call.
      window: the steps that are profiled.
      directory: of the run; the profile is in `<directory>/profile/plugins/profile/<time>`: `*.xplane.pb` for TensorBoard,
        `*.trace.json.gz` for Perfetto.
    """

    def __init__(self, step_fn: Callable[..., Any], first_step: int, window: Window, directory: pathlib.Path) -> None:
        self._step_fn, self._step, self._window = step_fn, first_step, window
        self._folder = directory / FOLDER
        self._last: Any = None  # what the last profiled step gave, while profiling

    def __call__(self, *args: Any) -> Any:
        step, self._step = self._step, self._step + 1
        if not self._window.first <= step < self._window.stop:
            return self._step_fn(*args)
        if self._last is None:
            jax.block_until_ready(args[0])  # of earlier steps nothing is left to do
            jax.profiler.start_trace(str(self._folder))
        with jax.profiler.StepTraceAnnotation("train", step_num=step):
            state, self._last = self._step_fn(*args)
            metrics = self._last
        if step == self._window.stop - 1:
            self._stop()
        return state, metrics

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._last is not None:
            self._stop()

    def _stop(self) -> None:
        jax.block_until_ready(self._last)
        self._last = None
        jax.profiler.stop_trace()
        _LOGGER.info(
            "profile of steps %d to %d: tensorboard --logdir=%s, or open its *.trace.json.gz at ui.perfetto.dev",
            self._window.first,
            self._step - 1,
            self._folder,
        )
