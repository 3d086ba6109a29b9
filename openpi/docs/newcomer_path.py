"""Walks a newcomer's way through the programs, and prints how long each step takes.

    bazel run //openpi/docs:newcomer_path
    bazel run //openpi/docs:newcomer_path -- --full --folder=first_steps

A policy is trained on the simulated reach task, served and evaluated; then the served policy's episodes, corrected by the
scripted expert, become a dataset of one's own, and the policy is trained on it further. By default all is very small: it shows
that everything works on this machine, in minutes. With --full the recipes are the real ones.
"""

import contextlib
import pathlib
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence

from absl import flags

from openpi.cli import program
from openpi.testing import program as started
from openpi.trainer import tiny_dataset

_FULL = flags.DEFINE_bool("full", False, "The real recipes: about a quarter of an hour on two cores.")
_FOLDER = flags.DEFINE_string("folder", None, "Keep datasets, checkpoints and results here; else they are deleted.")

_CONFIG = "--config=experiments/aloha.py"
_RUN, _MORE = "checkpoints/aloha_reach/default", "checkpoints/aloha_reach/more"
_READY = re.compile(r"ready: ws://127\.0\.0\.1:(\d+) ")
_PATIENCE = 900.0  # seconds until a server is ready


class _Walk:
    """Runs one program after the other in a folder, and notes their times."""

    def __init__(self, home: pathlib.Path):
        self.seconds: dict[str, float] = {}
        self._home = home
        self._variables = {"BUILD_WORKING_DIRECTORY": str(home), "OPENPI_DATA_HOME": str(home / "cache")}

    def run(self, step: str, target: str, *arguments: str) -> None:
        """Runs a program to its end. Raises RuntimeError if it fails."""
        print(f"{step}: {_shown(target, arguments)}", flush=True)
        with self._timed(step):
            done = subprocess.run([*started.command(target), *arguments], env=self._environment(), cwd=self._home)
        if done.returncode:
            raise RuntimeError(f"{step} failed, with exit code {done.returncode}; what it said is above")

    @contextlib.contextmanager
    def serving(self, step: str, *arguments: str) -> Iterator[int]:
        """A policy server; gives its port once it is ready."""
        print(f"{step}: {_shown('openpi/serve', arguments)}", flush=True)
        command = [*started.command("openpi/serve"), *arguments, "--port=0"]
        with subprocess.Popen(
            command, env=self._environment(), cwd=self._home, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                with self._timed(step):
                    assert server.stdout
                    readable, _, _ = select.select([server.stdout], [], [], _PATIENCE)
                    ready = _READY.match(server.stdout.readline()) if readable else None
                if not ready:
                    raise RuntimeError(f"{step} failed: the server did not become ready; what it said is above")
                yield int(ready[1])
                server.terminate()
                server.wait()
            finally:
                server.kill()

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - began

    def _environment(self) -> dict[str, str]:
        return started.environment(**self._variables)


def main(_: list[str]) -> None:
    """Walks, then prints the table."""
    with contextlib.ExitStack() as stack:
        home = pathlib.Path(_FOLDER.value or stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        home.mkdir(parents=True, exist_ok=True)
        walk = _Walk(home)
        _walk(walk)
    print("\n" + "\n".join(f"{step:34}{seconds:8.1f} s" for step, seconds in walk.seconds.items()))
    print(f"{'the whole way':34}{sum(walk.seconds.values()):8.1f} s")


def _walk(walk: _Walk) -> None:
    small: tuple[str, ...] = ()
    episodes, recorded = 100, 100
    if not _FULL.value:
        settings = {**tiny_dataset.SETTINGS, "data.generator": "aloha_reach", "data.generator_episodes": 3}
        settings["model.action_horizon"] = 10
        small = tuple(f"--config.{field}={value}" for field, value in settings.items())
        episodes, recorded = 2, 2
    walk.run("train in simulation", "openpi/train", _CONFIG, *small)
    with walk.serving("serve", f"--checkpoint={_RUN}") as port:
        address = ("--host=127.0.0.1", f"--port={port}")
        walk.run("evaluate", "openpi/evaluate", *address, f"--episodes={episodes}")
        walk.run(
            "record a dataset of one's own",
            "openpi/datasets:record_rollouts",
            "my_dataset",
            *address,
            f"--num_episodes={recorded}",
            "--expert_from=5",
        )
    walk.run("look at it", "openpi/datasets:inspect_dataset", "my_dataset", "--png=pictures")
    own = (_CONFIG, *small, "--config.exp_name=more", "--config.data.generator=", "--config.data.root=my_dataset")
    walk.run("its statistics", "openpi/norm_stats", *own)
    weights = ("--config.weights.kind=checkpoint", f"--config.weights.path={_RUN}")
    walk.run("train on it", "openpi/train", *own, *weights)
    walk.run(
        "evaluate again", "openpi/evaluate", f"--checkpoint={_MORE}", f"--episodes={episodes}", "--output_dir=again"
    )


def _shown(target: str, arguments: Sequence[str]) -> str:
    few = [argument for argument in arguments if not argument.startswith("--config.model")]
    return " ".join([f"//{target} --", *few])


if __name__ == "__main__":
    program.run(main, name="newcomer_path")
