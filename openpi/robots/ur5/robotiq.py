"""A Robotiq gripper behind a UR's URCap, which listens to lines of text at port 63352."""

from __future__ import annotations

import socket
import time

PORT = 63352
_CLOSED = 255
_ACTIVE = 3  # of STA
_TIMEOUT_SECONDS = 2.0
_ACTIVATION_SECONDS = 20.0
_LONGEST_REPLY = 64


class RobotiqGripper:
    """Opens and closes; one connection for one thread."""

    def __init__(self, host: str, port: int = PORT, *, speed: int = 255, force: int = 50) -> None:
        """Connects, and activates the gripper if it is not: its fingers move then.

        Args:
          host: the robot's control box.
          port: of the URCap.
          speed: 0 to 255.
          force: 0 to 255.

        Raises:
          ConnectionError: nobody listens there, or what listens is no gripper.
          RuntimeError: the gripper does not become active.
        """
        try:
            self._socket = socket.create_connection((host, port), _TIMEOUT_SECONDS)
        except OSError as error:
            raise ConnectionError(
                f"no Robotiq gripper answers at {host}:{port} ({error}): is its URCap installed, and the gripper switched on?"
            ) from error
        try:
            self._activate()
            self._set(SPE=speed, FOR=force)
        except BaseException:
            self.close()
            raise

    def position(self) -> float:
        """0 (open) to 1 (closed)."""
        return self._get("POS") / _CLOSED

    def move(self, opening: float) -> None:
        """Goes to 0 (open) to 1 (closed), and returns at once."""
        self._set(POS=round(min(max(opening, 0.0), 1.0) * _CLOSED), GTO=1)

    def close(self) -> None:
        """Ends the connection; the gripper stays as it is."""
        self._socket.close()

    def _activate(self) -> None:
        if self._get("STA") == _ACTIVE:
            return
        self._set(ACT=1, GTO=1)
        deadline = time.monotonic() + _ACTIVATION_SECONDS
        while self._get("STA") != _ACTIVE:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the gripper is not active after {_ACTIVATION_SECONDS:g} s: look at its lamp and its cable"
                )
            time.sleep(0.05)

    def _set(self, **values: int) -> None:
        words = " ".join(f"{name} {value}" for name, value in values.items())
        if self._ask(f"SET {words}") != "ack":
            raise ConnectionError(f"the gripper refuses {words}")

    def _get(self, name: str) -> int:
        reply = self._ask(f"GET {name}")
        key, _, value = reply.partition(" ")
        if key != name or not value.isdigit():
            raise ConnectionError(f"the gripper answers GET {name} with {reply!r}")
        return int(value)

    def _ask(self, line: str) -> str:
        try:
            self._socket.sendall(f"{line}\n".encode("ascii"))
            reply = self._socket.recv(_LONGEST_REPLY)  # a few bytes, which come together
            if not reply:
                raise ConnectionError("it hung up")
        except OSError as error:
            raise ConnectionError(f"the gripper does not answer {line!r}: {error}") from error
        return reply.decode("ascii", "replace").strip()
