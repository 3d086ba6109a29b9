"""The loop between environment and agent."""

import logging
import threading
from collections.abc import Sequence

from openpi.runtime import agent as agent_lib
from openpi.runtime import environment as environment_lib
from openpi.runtime import pace
from openpi.runtime import subscriber as subscriber_lib

logger = logging.getLogger(__name__)


class Runtime:
    """Lets an agent act in an environment, at a steady pace, for some episodes."""

    def __init__(
        self,
        environment: environment_lib.Environment,
        agent: agent_lib.Agent,
        subscribers: Sequence[subscriber_lib.Subscriber] = (),
        max_hz: float = 0,
        num_episodes: int = 1,
        max_episode_steps: int = 0,
    ) -> None:
        """Prepares a run.

        Args:
          environment: what is acted upon.
          agent: who acts.
          subscribers: who is told of it.
          max_hz: most steps a second; 0 sets no limit.
          num_episodes: how many episodes to run.
          max_episode_steps: an episode ends after this many steps and one more (as published: the count is compared before
            the step is counted); 0 sets no limit.
        """
        self._environment = environment
        self._agent = agent
        self._subscribers = tuple(subscribers)
        self._pace = pace.Pace(max_hz)
        self._num_episodes = num_episodes
        self._max_episode_steps = max_episode_steps
        self._in_episode = False

    def run(self) -> None:
        """Runs the episodes, then resets the environment, also after an error or Ctrl-C: a real robot goes home."""
        try:
            for _ in range(self._num_episodes):
                self._run_episode()
        finally:
            self._environment.reset()

    def run_in_new_thread(self) -> threading.Thread:
        """Starts `run` in a thread of its own, and returns that. Ctrl-C reaches the main thread only."""
        thread = threading.Thread(target=self.run)
        thread.start()
        return thread

    def mark_episode_complete(self) -> None:
        """Ends the episode after the step that is being made. May be called from any thread."""
        self._in_episode = False

    def pace_report(self) -> pace.Report:
        """How steady the steps of the last episode were, or are so far."""
        return self._pace.report()

    def _run_episode(self) -> None:
        logger.info("Episode starts")
        self._in_episode = True
        self._environment.reset()
        self._agent.reset()
        for subscriber in self._subscribers:
            subscriber.on_episode_start()
        try:
            self._run_steps()
        finally:
            for subscriber in self._subscribers:
                subscriber.on_episode_end()
        logger.info("Episode complete: %s", self.pace_report())

    def _run_steps(self) -> None:
        steps = 0
        self._pace.restart()
        self._pace.wait()
        while self._in_episode:
            self._step()
            if self._environment.is_episode_complete() or 0 < self._max_episode_steps <= steps:
                self.mark_episode_complete()
            steps += 1
            self._pace.wait()

    def _step(self) -> None:
        observation = self._environment.get_observation()
        action = self._agent.get_action(observation)
        self._environment.apply_action(action)
        for subscriber in self._subscribers:
            subscriber.on_step(observation, action)
