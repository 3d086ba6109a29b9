"""The guide's commands, in order, as a user types them: on 18 frames, with a network of almost no size."""

import pathlib
import re
import shlex
import shutil
import signal
import subprocess

import numpy as np
import pytest

from openpi.checkpoints import layout
from openpi.client import websocket_client_policy
from openpi.config import load, validate
from openpi.data.lerobot import writer
from openpi.testing import program, readme
from openpi.trainer import metrics_writer

_ROOT = pathlib.Path(__file__).parents[2]
_GUIDE = "openpi/docs/fine_tuning.md"
# What makes the template's small network smaller still, and its training two steps.
_SMALLER = """

_of_the_template = get_config


def get_config(variant=""):
    config = _of_the_template(variant or "small")
    sizes = {"width": 16, "mlp_dim": 16, "depth": 1, "num_heads": 2}
    for part in ("siglip", "language", "expert"):
        config.model[part].update(sizes)
    for part in ("language", "expert"):
        config.model[part].update(num_kv_heads=1, head_dim=8)
    config.model.update(image_size=56, action_horizon=4)
    config.update(batch_size=4, num_train_steps=2, log_interval=1, num_workers=1)
    return config
"""


def commands(text):
    """What follows `$ ` in the blocks of a page that are fenced as console."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def record(root):
    """Three episodes of an arm in degrees with a gripper in millimetres."""
    image = {"dtype": "image", "shape": [48, 64, 3], "names": ["height", "width", "channels"]}
    numbers = {"dtype": "float32", "shape": [7], "names": None}
    cameras = {f"observation.images.{camera}": image for camera in ("front", "wrist")}
    features = {**cameras, "observation.state": numbers, "action": numbers}
    pose = lambda episode, t: (40 + 30 * np.sin(np.arange(7) + episode + 0.3 * t)).astype(np.float32)
    with writer.LeRobotWriter(root, 10, features, robot_type="mine") as recorder:
        for episode in range(3):
            for t in range(6):
                pictures = {camera: np.full((48, 64, 3), 20 * t + 9, np.uint8) for camera in cameras}
                frame = {"observation.state": pose(episode, t), "action": pose(episode, t + 1)}
                recorder.add_frame({**pictures, **frame})
            recorder.save_episode("put the cup on the shelf")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    record(home / "my_dataset")
    return home


def environment(home):
    return {"JAX_PLATFORMS": "cpu", "OPENPI_DATA_HOME": str(home / "cache"), "OPENPI_OFFLINE": "1"}


def follow(command, home):
    """Runs a command of the guide and returns what it printed."""
    words = shlex.split(command)
    if words[0] == "cp":
        shutil.copy(_ROOT / words[1], home / words[2])
        with (home / words[2]).open("a") as copy:
            copy.write(_SMALLER)
        return ""
    assert words[:2] == ["tools/bazel", "run"] and words[3] == "--", command
    target = words[2].removeprefix("//").replace("datasets:inspect", "datasets:inspect_dataset")  # an alias
    more = ("--config.num_train_steps=4",) if "--config.resume" in words else ()
    done = program.run(target, *words[4:], *more, cwd=home, timeout=600, **environment(home))
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def serve(command, home, client):
    """Runs the server of the guide at a free port, and `client(port)` while it is up."""
    words = shlex.split(command)
    server = subprocess.Popen(
        [*program.command(words[2].removeprefix("//")), *words[4:], "--port=0"],
        env=program.environment(BUILD_WORKING_DIRECTORY=str(home), **environment(home)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = re.match(r"ready: ws://127\.0\.0\.1:(\d+) serves ", server.stdout.readline())
        assert ready
        client(int(ready[1]))
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()


def test_from_a_dataset_to_a_served_policy(home):
    text = (_ROOT / _GUIDE).read_text(encoding="utf-8")
    *road, last = commands(text)
    said = [follow(command, home) for command in road]
    run = home / "checkpoints/my_robot/default"
    assert [line["step"] for line in metrics_writer.read(run)] == [0, 1, 2, 3]
    assert layout.complete_steps(run)[-1] == 3
    assert any("it fits in the 72 GiB" in out for out in said)
    assert any("what the model sees" in out and "PROBLEM" not in out for out in said)
    for picture in ("histograms.png", "dry_run_my_robot.png"):
        assert (home / picture).read_bytes().startswith(b"\x89PNG")
    assert list((home / "pictures").glob("*.png"))

    def client(port):
        page = home / "client.md"
        page.write_text(text.replace("8000", str(port)))
        actions = readme.run(page, [np, websocket_client_policy])["actions"]
        assert actions.shape == (4, 7)
        assert np.isfinite(actions).all()

    serve(last, home, client)


def test_the_trainers_readme_walks_the_same_road():
    guide, short = (
        commands((_ROOT / page).read_text(encoding="utf-8")) for page in (_GUIDE, "openpi/trainer/README.md")
    )
    assert short == guide


@pytest.mark.parametrize("variant", ["full", "lora"])
def test_the_other_variants_of_the_template_differ_in_what_they_say(variant):
    config = load.load(f"experiments/template.py:{variant}")
    validate.validate(config)
    assert bool(config.freeze) == (variant == "lora")
    assert config.weights.path.endswith("pi05_base/params")
    assert len(config.data.robot.actions) == 7
