"""The gripper's protocol over a real socket, with a gripper that speaks it."""

import contextlib
import socketserver
import threading
import time

import pytest

from openpi.robots.ur5 import robotiq


class _Gripper(socketserver.StreamRequestHandler):
    """Holds the registers; becomes active when it is asked for the second time after ACT."""

    def handle(self):
        registers = self.server.registers
        for line in self.rfile:
            self.server.heard.append(line.decode().strip())
            verb, *words = line.decode().split()
            if verb == "SET":
                registers.update(zip(words[::2], map(int, words[1::2]), strict=True))
                self.wfile.write(self.server.ack)
                continue
            if registers["ACT"] and words == ["STA"]:
                self.server.asked += 1
                registers["STA"] = 3 if self.server.asked > 1 else 1
            self.wfile.write(self.server.garbage or f"{words[0]} {registers[words[0]]}".encode())


@contextlib.contextmanager
def _served(**changes):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Gripper) as server:
        server.daemon_threads = True
        server.registers = {"STA": 0, "ACT": 0, "POS": 0, "GTO": 0, "SPE": 0, "FOR": 0}
        server.heard, server.asked, server.ack, server.garbage = [], 0, b"ack", b""
        vars(server).update(changes)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _open(server):
    return contextlib.closing(robotiq.RobotiqGripper("127.0.0.1", server.server_address[1]))


def test_it_is_activated_and_moves():
    with _served() as server, _open(server) as gripper:
        assert server.heard == ["GET STA", "SET ACT 1 GTO 1", "GET STA", "GET STA", "SET SPE 255 FOR 50"]
        assert gripper.position() == 0.0
        gripper.move(1.0)
        assert gripper.position() == 1.0
        gripper.move(0.5)
        assert server.registers["POS"] == 128
        assert server.registers["GTO"] == 1


@pytest.mark.parametrize(("asked", "position"), [(-1.0, 0), (7.0, 255)])
def test_it_is_never_asked_beyond_its_ends(asked, position):
    with _served() as server, _open(server) as gripper:
        gripper.move(asked)
        assert server.registers["POS"] == position


def test_an_active_one_is_not_moved():
    with _served(registers={"STA": 3, "ACT": 1, "POS": 9, "GTO": 0}, asked=9) as server, _open(server):
        assert server.heard == ["GET STA", "SET SPE 255 FOR 50"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ack": b"nak"}, "the gripper refuses ACT 1 GTO 1"),
        ({"garbage": b"POS 3"}, "the gripper answers GET STA with 'POS 3'"),
        ({"garbage": b"STA x"}, "with 'STA x'"),
        ({"garbage": b"\xff"}, "the gripper answers GET STA with"),
    ],
)
def test_what_is_no_gripper_is_told(changes, text):
    with _served(**changes) as server, pytest.raises(ConnectionError, match=text):
        robotiq.RobotiqGripper("127.0.0.1", server.server_address[1])


def test_one_that_does_not_wake_up_is_told(monkeypatch):
    monkeypatch.setattr(robotiq, "_ACTIVATION_SECONDS", 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with _served(garbage=b"STA 0") as server, pytest.raises(RuntimeError, match="not active after 0 s"):
        robotiq.RobotiqGripper("127.0.0.1", server.server_address[1])


def test_nobody_there_is_told():
    with _served() as server:
        port = server.server_address[1]
    with pytest.raises(ConnectionError, match=f"no Robotiq gripper answers at 127.0.0.1:{port}"):
        robotiq.RobotiqGripper("127.0.0.1", port)
