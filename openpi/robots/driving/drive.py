"""Lets a server's policy drive a robot within its limits, and says how it went."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from openpi.client import action_chunk_broker, base_policy, websocket_client_policy
from openpi.robots.driving import first_answer, timed_policy
from openpi.runtime import (
    async_chunk_policy,
    emergency_stop,
    environment,
    pace,
    policy_agent,
    real_time_chunk_policy,
    runtime,
    safe_environment,
    safety_limits,
    stop_keys,
    subscriber,
)


class Drive:
    """A guarded robot and the server that will drive it."""

    def __init__(
        self,
        policy: websocket_client_policy.WebsocketClientPolicy,
        robot: environment.Environment,
        limits: safety_limits.Limits,
        *,
        measure: Callable[[dict], np.ndarray],
        stop: emergency_stop.EmergencyStop,
        action_horizon: int,
        playback: str = "wait",
    ) -> None:
        """Moves nothing yet.

        Args:
          policy: the connected server.
          robot: what is driven.
          limits: what it may do.
          measure: as for SafeEnvironment.
          stop: what stops it.
          action_horizon: actions of a chunk that are played before the next is asked for.
          playback: "wait": the robot waits for it; "ahead": it plays on meanwhile; "real_time": and the next goes on where the
            robot will be.
        """
        self._policy = policy
        self._robot = safe_environment.SafeEnvironment(robot, limits, measure=measure, stop=stop)
        self._limits = limits
        self._stop = stop
        self._action_horizon = action_horizon
        self._playback = playback

    def check(self) -> None:
        """Asks the server once. Raises ValueError if it is not one of this robot."""
        first_answer.check(
            self._policy,
            self._policy.get_server_metadata(),
            self._robot.get_observation(),
            names=self._limits.names,
            action_horizon=self._action_horizon,
        )

    def run(
        self,
        *,
        max_episode_steps: int,
        num_episodes: int = 1,
        subscribers: Sequence[subscriber.Subscriber] = (),
        started: Callable[[runtime.Runtime], None] = lambda loop: None,
    ) -> pace.Report:
        """Runs episodes, then the robot goes home; prints what came of them, also after an error or Ctrl-C.

        Args:
          max_episode_steps, num_episodes, subscribers: as for Runtime.
          started: is given the loop before it runs.

        Raises:
          Stopped: the robot was stopped, by a key for instance, and holds its position.
        """
        timed = timed_policy.TimedPolicy(self._policy)
        player, end = self._player(timed)
        loop = runtime.Runtime(
            self._robot,
            policy_agent.PolicyAgent(player),
            subscribers,
            max_hz=self._limits.hz,
            num_episodes=num_episodes,
            max_episode_steps=max_episode_steps,
        )
        started(loop)
        try:
            with end, stop_keys.watch(self._stop) as watched:
                if watched:
                    print("e, space or Esc stops the robot where it is; Ctrl-C ends and sends it home", flush=True)
                loop.run()
        finally:
            print(f"steps    {loop.pace_report()}")
            print(f"answers  {timed.report()}")
            print(f"limited  {self._robot.report()}", flush=True)
        return loop.pace_report()

    def _player(self, policy: base_policy.BasePolicy) -> tuple[base_policy.BasePolicy, contextlib.ExitStack]:
        """What plays the policy's chunks, and what ends it."""
        end = contextlib.ExitStack()
        if self._playback == "wait":
            return action_chunk_broker.ActionChunkBroker(policy, self._action_horizon), end
        kind = {
            "ahead": async_chunk_policy.AsyncChunkPolicy,
            "real_time": real_time_chunk_policy.RealTimeChunkPolicy,
        }[self._playback]
        player = kind(policy, self._action_horizon)
        end.callback(player.close)
        return player, end
