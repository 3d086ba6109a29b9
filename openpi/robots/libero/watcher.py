"""Films and notes the benchmark's episodes as the runtime plays them."""

from __future__ import annotations

import pathlib
import time

from openpi.robots.libero import environment, results, suites
from openpi.robots.video import video_file
from openpi.runtime import subscriber


class Watcher(subscriber.Subscriber):
    """Keeps each episode that ran to its end, with a film named by what came of it."""

    def __init__(
        self,
        suite: str,
        played: environment.LiberoEnvironment,
        instructions: tuple[str, ...],
        kept: results.Results,
        videos: pathlib.Path | None,
    ) -> None:
        """Watches `played`, the episodes of `suite`; `videos` is the folder of the films, None for none."""
        self._suite, self._played, self._instructions = suite, played, instructions
        self._kept, self._videos = kept, videos
        self._film: video_file.VideoFile | None = None
        self._film_path = pathlib.Path()
        self._begun = 0.0

    def on_episode_start(self) -> None:
        self._begun = time.monotonic()
        if self._videos is not None:
            self._film_path = self._videos / f"{self._name()}.mp4"
            self._film = video_file.VideoFile(self._film_path, suites.VIDEO_HZ)

    def on_step(self, observation: dict, action: dict) -> None:
        if self._film is not None:
            self._film.add(observation["observation/image"])

    def on_episode_end(self) -> None:
        ended = self._played.is_episode_complete()
        word = "broken_off" if not ended else "success" if self._played.success else "failure"
        if self._film is not None:
            self._film.close()
            if self._film_path.exists():
                self._film_path.replace(self._film_path.with_name(f"{self._name()}_{word}.mp4"))
        if not ended:
            return  # by an error or Ctrl-C: it will be played again
        assert self._played.episode is not None
        task, trial = self._played.episode
        self._kept.add(
            self._suite,
            task,
            self._instructions[task],
            episode=trial,
            success=self._played.success,
            steps=self._played.steps,
            seconds=round(time.monotonic() - self._begun, 3),
            complete=not self._played.broken,
        )
        print(f"{self._suite} task {task} trial {trial}: {word} after {self._played.steps} steps", flush=True)

    def _name(self) -> str:
        assert self._played.episode is not None
        task, trial = self._played.episode
        return f"{self._suite}_task{task:02d}_trial{trial:02d}"
