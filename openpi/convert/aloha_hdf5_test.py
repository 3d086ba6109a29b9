"""The program as a user starts it, on small recordings as ALOHA makes them."""

import io
import signal
import subprocess
import time

import h5py
import numpy as np
import PIL.Image
import pytest

from openpi.checkpoints.assets import faulty_server
from openpi.convert import aloha_episode
from openpi.data import hub_test_server
from openpi.data.lerobot import reader
from openpi.testing import program

CAMERAS = ("cam_high", "cam_left_wrist")
SIZE = 48, 64
TASK = "put the cap on the pen"


def run(*arguments, cwd, **environment):
    done = program.run("openpi/convert:aloha_hdf5", *arguments, cwd=cwd, **environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def image(episode, step, camera):
    """Smooth, so that JPEG and video keep it well."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([3 * x + 10 * camera, 4 * y, 0 * x + 20 * episode + 5 * step], axis=-1).astype(np.uint8)


def jpeg(rgb):
    out = io.BytesIO()
    PIL.Image.fromarray(rgb).save(out, format="JPEG", quality=95, subsampling=0)
    return np.frombuffer(out.getvalue(), np.uint8)


def table(episode, length, offset):
    return np.sin(np.arange(length * 14).reshape(length, 14) + episode + offset)


def record(folder, episode, length=5, *, images="raw", optional=True):
    folder.mkdir(exist_ok=True)
    path = folder / f"episode_{episode}.hdf5"
    with h5py.File(path, "w") as file:
        file["/observations/qpos"] = table(episode, length, 0.0)
        file["/action"] = table(episode, length, 0.5)
        if optional:
            file["/observations/qvel"] = table(episode, length, 1.0)
            file["/observations/effort"] = table(episode, length, 1.5)
        for number, camera in enumerate(CAMERAS):
            name, shown = f"/observations/images/{camera}", [image(episode, t, number) for t in range(length)]
            if images == "raw":
                file[name] = np.stack(shown)
                continue
            encoded = [jpeg(rgb) for rgb in shown]
            if images == "ragged":
                data = file.create_dataset(name, (length,), h5py.vlen_dtype(np.uint8))
                for t in range(length):
                    data[t] = encoded[t]
            else:
                width = max(map(len, encoded)) + 7
                file[name] = np.stack([np.pad(data, (0, width - len(data))) for data in encoded])
        if images == "padded":
            file["/compress_len"] = np.zeros((len(CAMERAS), length))
    return path


@pytest.mark.parametrize(
    ("images", "flags", "tolerance"),
    [
        ("raw", ["--images=image"], 0),
        ("raw", [], 12),
        ("padded", ["--images=image"], 12),
        ("ragged", ["--version=v2.1"], 16),
    ],
)
def test_what_is_converted_is_what_was_recorded(tmp_path, images, flags, tolerance):
    for episode in (0, 2, 10):
        record(tmp_path / "raw", episode, 4 + episode, images=images)
    done = run("--data_dir=raw", f"--task={TASK}", "--output=out", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 episodes, 24 frames, ") and done.stdout.endswith(f" MiB in {tmp_path}/out\n")
    dataset = reader.LeRobotDataset(tmp_path / "out")
    assert dataset.info.version == ("v2.1" if "--version=v2.1" in flags else "v3.0")
    assert (dataset.fps, dataset.info.robot_type, dataset.tasks) == (50, "aloha", (TASK,))
    np.testing.assert_array_equal(dataset.episodes.stop - dataset.episodes.start, [4, 6, 14])
    assert dataset.features["action"].names == list(aloha_episode.MOTORS)
    assert dataset.features["action"].names[::7] == ["left_waist", "right_waist"]
    for position, episode in enumerate((0, 2, 10)):
        for step in (0, 3):
            item = dataset[int(dataset.episodes.start[position]) + step]
            for key, offset in (("state", 0.0), ("velocity", 1.0), ("effort", 1.5)):
                np.testing.assert_array_equal(
                    item[f"observation.{key}"], table(episode, step + 1, offset)[step].astype(np.float32)
                )
            np.testing.assert_array_equal(item["action"], table(episode, step + 1, 0.5)[step].astype(np.float32))
            for number, camera in enumerate(CAMERAS):
                found = item[f"observation.images.{camera}"].astype(int).transpose(1, 2, 0)
                assert np.abs(found - image(episode, step, number)).max() <= tolerance


def test_some_episodes_of_a_mobile_robot_blue_first(tmp_path):
    for episode in range(3):
        record(tmp_path / "raw", episode, optional=False)
    flags = ["--episodes=2,0", "--is_mobile", "--bgr", "--images=image"]
    done = run("--data_dir=raw", "--task=go", f"--output={tmp_path}/a/b/out", *flags, cwd="/", **in_(tmp_path))
    assert done.returncode == 0, done.stderr
    dataset = reader.LeRobotDataset(tmp_path / "a/b/out")
    assert dataset.info.robot_type == "mobile_aloha" and "observation.effort" not in dataset.features
    expected = image(2, 0, 0)[..., ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(dataset[0]["observation.images.cam_high"], expected)


def in_(folder):
    return {"BUILD_WORKING_DIRECTORY": str(folder)}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(name, value):
    def apply(path):
        with h5py.File(path, "a") as file:
            del file[name]
            if value is not None:
                file[name] = value

    return apply


def not_a_number(path):
    with h5py.File(path, "a") as file:
        file["/action"][3, 2] = np.nan


def spoil_jpeg(path):
    with h5py.File(path, "a") as file:
        file["/observations/images/cam_high"][1] = 0


BAD = {
    "cut": (cut, "no readable HDF5 file (Unable to synchronously open file (truncated file"),
    "text": (lambda path: path.write_text("hello"), "no readable HDF5 file"),
    "no action": (change("/action", None), "dataset /action is missing; beside it there is compress_len, observations"),
    "no qpos": (change("/observations/qpos", None), "dataset /observations/qpos is missing"),
    "one arm": (change("/action", np.zeros((5, 7))), "dataset /action is float64 [5, 7], expected numbers [T, 14]"),
    "texts": (change("/action", b"x"), "dataset /action is object [], expected numbers [T, 14]"),
    "empty": (change("/action", np.zeros((0, 14))), "dataset /action is float64 [0, 14], expected numbers [T, 14]"),
    "short": (
        change("/action", np.zeros((4, 14))),
        "differ in their number of steps: /observations/qpos 5, /action 4, ",
    ),
    "NaN": (not_a_number, "dataset /action is not finite at step 3"),
    "no cameras": (change("/observations/images", None), "/observations/images is missing or empty"),
    "grey": (
        change("/observations/images/cam_high", np.zeros((5, 8, 8))),
        "dataset /observations/images/cam_high is float64 [5, 8, 8], expected uint8 images [T, H, W, 3] or JPEGs",
    ),
    "bad JPEG": (spoil_jpeg, "dataset /observations/images/cam_high, step 1: no readable JPEG"),
    "other size": (
        change("/observations/images/cam_high", np.zeros((5, 8, 8, 3), np.uint8)),
        "observation.images.cam_high is image [3, 8, 8], and in the first recording [3, 48, 64]",
    ),
    "fewer cameras": (
        change("/observations/images/cam_high", None),
        "it has no observation.images.cam_high, which the first recording has",
    ),
}


def test_bad_recordings_are_left_out_or_end_it_in_one_line(tmp_path):
    good = record(tmp_path / "raw", 0, images="padded")
    for number, (spoil, _) in enumerate(BAD.values(), 1):
        spoil(record(tmp_path / "raw", number, images="padded"))
    done = run("--data_dir=raw", "--task=go", "--output=out", "--skip_bad_episodes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1 episodes, 5 frames, {len(BAD)} skipped, ")
    assert len(reader.LeRobotDataset(tmp_path / "out")) == 5
    lines = done.stderr.splitlines()
    assert len(lines) == len(BAD)
    for number, (line, (name, (_, message))) in enumerate(zip(lines, BAD.items(), strict=True), 1):
        assert line.startswith(f"skipped: raw/episode_{number}.hdf5: ") and message in line, name
    good.unlink()
    first = next(iter(BAD.values()))[1]
    for flags in ([], ["--skip_bad_episodes", "--episodes=1"]):
        done = run("--data_dir=raw", "--task=go", "--output=other", *flags, cwd=tmp_path)
        assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("aloha_hdf5: error: ")
        assert first in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--task=go", "--output=out"], 2, "--data_dir is needed"),
        (["--data_dir=raw", "--output=out"], 2, "--task is needed"),
        (["--data_dir=raw", "--task=go"], 2, "where to? give --output=FOLDER"),
        (["--data_dir=raw", "--task=go", "--output=out", "--version=v1"], 2, "--version=v1"),
        (["--data_dir=raw", "--task=go", "--output=out", "--episodes=a"], 2, "--episodes: 'a' is no number"),
        (["--data_dir=none", "--task=go", "--output=out"], 1, "none holds no episode_N.hdf5: give --data_dir=FOLDER"),
        (["--data_dir=raw", "--task=go", "--output=out", "--episodes=9"], 1, "holds no episode_9.hdf5"),
        (["--data_dir=raw", "--task=go", "--output=raw"], 1, "raw exists already: remove it, or give another --output"),
        (["--data_dir=raw", "--task=go", "--output=out", "--push_to_hub=a/b"], 1, "a/b needs a token that may write"),
        (["--data_dir=raw", "--task=go", "--output=out", "--push_to_hub=ab"], 1, "'ab' is no repository of the Hub"),
    ],
)
def test_errors(tmp_path, arguments, code, message):
    record(tmp_path / "raw", 0)
    done = run(*arguments, cwd=tmp_path, HF_HOME=str(tmp_path / "hf"), HF_TOKEN="")
    assert done.returncode == code
    assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out").exists()


def test_upload(tmp_path):
    record(tmp_path / "raw", 0)
    with faulty_server.FaultyServer() as storage, hub_test_server.DatasetHub(storage) as hub:
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "hf_write",
            "HF_HUB_DISABLE_XET": "1",
            "no_proxy": "127.0.0.1",
        }
        flags = ["--data_dir=raw", "--task=go", "--output=out", "--push_to_hub=lab/caps", "--private"]
        done = run(*flags, cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f"{hub.url}/datasets/lab/caps\n") and hub.private == {"lab/caps": True}
        there = hub.dataset("lab/caps")
    assert "v3.0" in hub.revisions and b'tags: ["LeRobot", "aloha", "hdf5"]' in there["README.md"]
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert all(there[path.relative_to(tmp_path / "out").as_posix()] == path.read_bytes() for path in written)


@pytest.mark.parametrize("images", ["image", "video"])
def test_a_full_disk_leaves_nothing(tmp_path, images):
    """The system refuses files of more than some blocks."""
    record(tmp_path / "raw", 0, 40)
    command = [*program.command("openpi/convert:aloha_hdf5"), "--data_dir=raw", "--task=go", "--output=out"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash", *command, f"--images={images}"],
        cwd=tmp_path,
        env=program.environment(PYTHONDONTWRITEBYTECODE="1", **in_(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_help(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"--{name}" in done.stdout for name in ("data_dir", "task", "[no]skip_bad_episodes", "push_to_hub"))


def test_two_recordings_of_one_number_are_told(tmp_path):
    record(tmp_path / "raw", 0)
    (tmp_path / "raw/episode_00.hdf5").write_bytes((tmp_path / "raw/episode_0.hdf5").read_bytes())
    done = run("--data_dir=raw", "--task=go", "--output=out", cwd=tmp_path)
    assert done.returncode == 1 and "are both of number 0: rename or remove one" in done.stderr


def test_a_failed_upload_keeps_what_was_converted(tmp_path):
    record(tmp_path / "raw", 0)
    closed = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "hf_write", "no_proxy": "127.0.0.1"}
    done = run("--data_dir=raw", "--task=go", "--output=out", "--push_to_hub=lab/caps", cwd=tmp_path, **closed)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("aloha_hdf5: error: pushing to lab/caps: "), done.stderr
    assert last.endswith(f"upload it: bazel run //openpi/datasets:push -- lab/caps --root={tmp_path / 'out'}")
    assert len(reader.LeRobotDataset(tmp_path / "out")) == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_end_in_the_middle_leaves_no_dataset(tmp_path, number, code):
    length = 3000
    with h5py.File(record(tmp_path, 0), "a") as file:
        for name in list(_numbers(file)):
            del file[name]
            file[name] = np.zeros((length, 14))
        for camera in CAMERAS:
            del file[f"/observations/images/{camera}"]
            file[f"/observations/images/{camera}"] = np.zeros((length, *SIZE, 3), np.uint8)
    command = [*program.command("openpi/convert:aloha_hdf5"), "--data_dir=.", "--task=go", "--output=out"]
    environment = program.environment(**in_(tmp_path))
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(tmp_path.glob(".out.partial-*")):
            time.sleep(0.01)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    left = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".hdf5")
    if number != signal.SIGKILL:
        assert left == [], error
        return
    assert len(left) == 1 and left[0].startswith(".out.partial-")
    record(tmp_path, 0)
    done = run("--data_dir=.", "--task=go", "--output=out", cwd=tmp_path)
    assert done.returncode == 0 and f"{left[0]} is of a conversion that was killed" in done.stderr, done.stderr
    assert len(reader.LeRobotDataset(tmp_path / "out")) == 5


def _numbers(file):
    return ["/action", *(f"/observations/{name}" for name in file["observations"] if name != "images")]
