"""What is sent to ur-rtde and RealSense's library, by stand-ins for them: the real ones have never been there."""

import contextlib
import types

import numpy as np
import pytest

from openpi.robots.ur5 import hardware, robotiq


class _Arm:
    """Both interfaces of ur-rtde: servoJ moves it at once."""

    def __init__(self, notes):
        self.notes, self.joints, self.stopped, self.accepts = notes, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], False, True

    def getActualQ(self):
        return self.joints

    def isProtectiveStopped(self):
        return self.stopped

    def isEmergencyStopped(self):
        return False

    def servoJ(self, joints, *rest):
        self.joints = joints
        self.notes.append(("servoJ", *rest))
        return self.accepts

    def __getattr__(self, name):
        return lambda *arguments: self.notes.append((name, *arguments))


class _Gripper:
    """Notes where it is sent."""

    def __init__(self, notes, host):
        self.notes = notes
        notes.append(("gripper", host))

    def position(self):
        return 0.25

    def move(self, opening):
        self.notes.append(("move", opening))

    def close(self):
        self.notes.append(("gripper closed",))


class _Pipeline:
    def __init__(self, notes, there):
        self.notes, self.there = notes, there

    def start(self, config):
        if config.serial not in self.there:
            raise RuntimeError("No device connected")
        self.notes.append(("camera", config.serial, config.size))

    def wait_for_frames(self, milliseconds):
        picture = types.SimpleNamespace(get_data=lambda: np.full((480, 640, 3), 7, np.uint8))
        return types.SimpleNamespace(get_color_frame=lambda: picture)

    def stop(self):
        self.notes.append(("camera closed",))


class _Config:
    def enable_device(self, serial):
        self.serial = serial

    def enable_stream(self, stream, columns, rows, order, hz):
        self.size = (stream, columns, rows, order, hz)


@pytest.fixture
def parts(monkeypatch):
    """The modules, the arm and the notes."""
    notes = []
    arm = _Arm(notes)
    monkeypatch.setattr(robotiq, "RobotiqGripper", lambda host: _Gripper(notes, host))
    return (
        hardware.Libraries(
            control=types.SimpleNamespace(RTDEControlInterface=lambda host: arm),
            receive=types.SimpleNamespace(RTDEReceiveInterface=lambda host: arm),
            realsense=types.SimpleNamespace(
                pipeline=lambda: _Pipeline(notes, {"11", "22"}),
                config=_Config,
                stream=types.SimpleNamespace(color="color"),
                format=types.SimpleNamespace(rgb8="rgb8"),
            ),
        ),
        arm,
        notes,
    )


def test_it_reads_and_commands(parts):
    modules, arm, notes = parts
    with contextlib.closing(hardware.Ur5Hardware(modules, "10.0.0.2", {"base": "11", "wrist": "22"})) as robot:
        assert notes == [
            ("gripper", "10.0.0.2"),
            ("camera", "11", ("color", 640, 480, "rgb8", 30)),
            ("camera", "22", ("color", 640, 480, "rgb8", 30)),
        ]
        reading = robot.read()
        np.testing.assert_allclose(reading.joints, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.25])
        assert {name: image.shape for name, image in reading.images.items()} == {
            "base": (480, 640, 3),
            "wrist": (480, 640, 3),
        }
        notes.clear()
        for opening in (0.5, 0.501, 0.6):
            robot.command(np.array([0, 1, 2, 3, 4, 5, opening]))
        assert arm.joints == [0, 1, 2, 3, 4, 5]
        servo = ("servoJ", 0.0, 0.0, 0.05, 0.1, 300)
        assert notes == [servo, ("move", 0.5), servo, servo, ("move", 0.6)]
        notes.clear()
    assert [note[0] for note in notes] == [
        "camera closed",
        "camera closed",
        "gripper closed",
        "servoStop",
        "stopScript",
        "disconnect",
    ]


def test_a_stopped_arm_is_told(parts):
    modules, arm, _ = parts
    robot = hardware.Ur5Hardware(modules, "10.0.0.2", {})
    arm.stopped = True
    with pytest.raises(RuntimeError, match="controller has stopped the arm"):
        robot.read()
    arm.accepts = False
    with pytest.raises(RuntimeError, match="is it in remote control"):
        robot.command(np.zeros(7))


def test_a_missing_camera_leaves_nothing_open(parts):
    modules, _, notes = parts
    with pytest.raises(RuntimeError, match=r"camera 33 does not start \(No device connected\): rs-enumerate-devices"):
        hardware.Ur5Hardware(modules, "10.0.0.2", {"base": "11", "wrist": "33"})
    assert [note[0] for note in notes[2:]] == [
        "camera closed",
        "gripper closed",
        "servoStop",
        "stopScript",
        "disconnect",
    ]
