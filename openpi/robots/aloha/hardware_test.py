"""What is sent to ROS and Interbotix' modules, by stand-ins for them: the real ones have never been there."""

import threading
import types

import numpy as np
import pytest

from openpi.robots.aloha import hardware

_TOPICS = ["puppet_left/joint_states", "puppet_right/joint_states"]
_CAMERAS = ["cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist"]


class _Anything:
    """Notes every call as (path, arguments)."""

    def __init__(self, notes, path):
        self._notes, self._path = notes, path

    def __getattr__(self, name):
        return _Anything(self._notes, f"{self._path}.{name}")

    def __call__(self, *arguments, **named):
        self._notes.append((self._path, *arguments, *named.items()))


def _picture(encoding="bgr8", height=2, width=3, padding=1):
    rows = np.zeros((height, 3 * width + padding), np.uint8)
    rows[:, : 3 * width] = np.arange(3 * width)
    return types.SimpleNamespace(encoding=encoding, height=height, width=width, step=rows.shape[1], data=rows.tobytes())


@pytest.fixture
def ros():
    """Modules whose topics speak at once, the notes of what they were told, and the topics' callbacks."""
    notes, callbacks, messages = [], {}, {}
    for side, topic in enumerate(_TOPICS):
        messages[f"/{topic}"] = types.SimpleNamespace(position=[side + index / 10 for index in range(9)])
    for name in _CAMERAS:
        messages[f"/{name}"] = types.SimpleNamespace(images=[_picture()])

    def subscribe(topic, kind, callback, queue_size):
        callbacks[topic] = callback
        threading.Thread(target=callback, args=(messages[topic],)).start()

    modules = hardware.Libraries(
        rospy=types.SimpleNamespace(Subscriber=subscribe),
        sensor_messages=types.SimpleNamespace(JointState=object),
        arm=types.SimpleNamespace(
            InterbotixManipulatorXS=lambda **options: _Anything(notes, options["robot_name"]),
        ),
        arm_messages=types.SimpleNamespace(JointSingleCommand=lambda name, cmd: (name, cmd)),
        camera_messages=types.SimpleNamespace(RGBGrayscaleImage=object),
    )
    return modules, notes, callbacks


def test_joints_come_in_order_and_images_once_each(ros, monkeypatch):
    modules, _, callbacks = ros
    arms = hardware.AlohaHardware(modules)
    reading = arms.read()
    np.testing.assert_allclose(reading.joints, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7])
    assert sorted(reading.images) == sorted(_CAMERAS)
    np.testing.assert_array_equal(reading.images["cam_low"][1], np.arange(9).reshape(3, 3))
    monkeypatch.setattr(hardware, "_FRAME_SECONDS", 0.01)
    with pytest.raises(RuntimeError, match=r"nothing comes from /cam_high for 0\.01 s"):
        arms.read()
    for name in _CAMERAS:
        callbacks[f"/{name}"](types.SimpleNamespace(images=[_picture()]))
    arms.read()


def test_commands_go_to_their_arms(ros):
    modules, notes, _ = ros
    arms = hardware.AlohaHardware(modules)
    notes.clear()
    arms.command(np.arange(14.0))
    assert notes == [
        ("puppet_left.arm.set_joint_positions", [0, 1, 2, 3, 4, 5], ("blocking", False)),
        ("puppet_left.gripper.core.pub_single.publish", ("gripper", 6)),
        ("puppet_right.arm.set_joint_positions", [7, 8, 9, 10, 11, 12], ("blocking", False)),
        ("puppet_right.gripper.core.pub_single.publish", ("gripper", 13)),
    ]


def test_grippers_are_restarted(ros):
    modules, notes, _ = ros
    arms = hardware.AlohaHardware(modules)
    notes.clear()
    arms.wake_grippers()
    assert notes[:2] == [
        ("puppet_left.dxl.robot_reboot_motors", "single", "gripper", True),
        ("puppet_left.dxl.robot_set_operating_modes", "single", "gripper", "current_based_position"),
    ]


def test_colours_are_in_the_published_order():
    np.testing.assert_array_equal(hardware.decode(_picture("rgb8"))[0, 0], [2, 1, 0])
    np.testing.assert_array_equal(hardware.decode(_picture("bgr8"))[0, 0], [0, 1, 2])


@pytest.mark.parametrize("wrong", [{"encoding": "mono8"}, {"height": 3}, {"step": 8}])
def test_other_images_are_refused(wrong):
    image = _picture()
    vars(image).update(wrong)
    with pytest.raises(RuntimeError, match="set it to rgb8 or bgr8"):
        hardware.decode(image)
