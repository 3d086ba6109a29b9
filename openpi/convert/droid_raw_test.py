"""The program as a user starts it, on small recordings as DROID makes them."""

import json
import shutil

import h5py
import numpy as np
import PIL.Image
import pytest

from openpi.data.lerobot import reader, video
from openpi.testing import program

WRIST, OUTSIDE = "18026681", ("22246076", "24400334")
STATE, CAMERA_TYPE = "observation/robot_state", "observation/camera_type"
IDENTITY = "AUTOLab+5d05c5aa+2023-07-07-09h-42m-23s"


def run(*arguments, cwd):
    done = program.run("openpi/convert:droid_raw", *arguments, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def picture(camera, step, size=(360, 640)):
    y, x = np.mgrid[: size[0], : size[1]]
    shade = np.full(size, 40 * (camera + 1) + 8 * step)
    return np.stack([x * 255 // size[1], y * 255 // size[0], shade], axis=-1).astype(np.uint8)


def values(number, length, width):
    return np.cos(np.arange(length * width).reshape(length, width) * 0.1 + number)


def write_video(path, images):
    encoding = video.Encoding(60, *images[0].shape[:2])
    encoder = video.EpisodeEncoder(encoding)
    for image in images:
        encoder.add(image)
    file = video.VideoFile(path, encoding)
    file.append(encoder.finish())
    file.close()


def record(folder, number, length=4, *, identity=IDENTITY, frames=None, size=(360, 640)):
    """A recording; its videos have `frames` frames (of all its steps, if not given)."""
    folder.mkdir(parents=True)
    with h5py.File(folder / "trajectory.h5", "w") as file:
        file[f"{STATE}/joint_positions"] = values(number, length, 7)
        file[f"{STATE}/gripper_position"] = values(number, length, 1)[:, 0] / 2
        file["action/joint_velocity"] = values(number + 1, length, 7)
        file["action/gripper_position"] = values(number + 1, length, 1)[:, 0] / 2
        for camera, serial in enumerate((*OUTSIDE, WRIST)):
            file[f"{CAMERA_TYPE}/{serial}"] = np.full(length, 0 if serial == WRIST else 1)
            shown = [picture(camera, t, size) for t in range(frames or length)]
            write_video(folder / f"recordings/MP4/{serial}.mp4", shown)
    (folder / f"metadata_{identity}.json").write_text("{}")
    return folder


@pytest.fixture
def raw(tmp_path):
    """Two recordings, the second in small images and with one frame more than steps."""
    record(tmp_path / "raw/success/2023-07-07/one", 0, 4)
    record(tmp_path / "raw/success/2023-07-08/two", 1, 3, identity="TRI+1+2023", size=(180, 320), frames=4)
    said = {IDENTITY: {"language_instruction1": " Put the pen in the cup ", "language_instruction2": "other"}}
    (tmp_path / "raw/aggregated-annotations-030724.json").write_text(json.dumps(said))
    return tmp_path / "raw"


@pytest.mark.parametrize("flags", [["--images=image"], ["--version=v2.1"]])
def test_what_is_converted_is_what_was_recorded(raw, tmp_path, flags):
    done = run("--data_dir=raw", "--output=out", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 recordings, 1 with an instruction\n2 episodes, 7 frames, ")
    dataset = reader.LeRobotDataset(tmp_path / "out")
    assert (dataset.fps, dataset.info.robot_type) == (15, "panda")
    assert dataset.tasks == ("Put the pen in the cup", "Do something")
    for row, (episode, step, length) in {2: (0, 2, 4), 5: (1, 1, 3)}.items():
        item = dataset[row]
        assert item["task"] == dataset.tasks[episode]
        np.testing.assert_array_equal(item["joint_position"], values(episode, length, 7)[step].astype(np.float32))
        np.testing.assert_allclose(item["gripper_position"], values(episode, length, 1)[step, 0] / 2, rtol=1e-6)
        expected = [*values(episode + 1, length, 7)[step], values(episode + 1, length, 1)[step, 0] / 2]
        np.testing.assert_allclose(item["actions"], expected, rtol=1e-6)
        for camera, key in enumerate(("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")):
            shown = PIL.Image.fromarray(picture(camera, step, (180, 320) if episode else (360, 640)))
            shown = np.asarray(shown.resize((320, 180), PIL.Image.Resampling.BICUBIC)).astype(int)
            assert item[key].shape == (3, 180, 320)
            assert np.abs(item[key].transpose(1, 2, 0) - shown).mean() < 3


def test_without_instructions_and_with_other_ones(raw, tmp_path):
    said = {"TRI+1+2023": {"language_instruction1": "wave"}}
    (raw / "aggregated-annotations-030724.json").rename(raw / "kept.json")
    (raw / "other.json").write_text(json.dumps(said))
    done = run("--data_dir=raw", "--output=out", "--noinstructions", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("2 episodes, "), done.stderr
    assert reader.LeRobotDataset(tmp_path / "out").tasks == ("Do something",)
    done = run("--data_dir=raw", "--output=out2", "--annotations=raw/other.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert reader.LeRobotDataset(tmp_path / "out2").tasks == ("Do something", "wave")


def edit(folder, name, value):
    with h5py.File(folder / "trajectory.h5", "a") as file:
        del file[name]
        if value is not None:
            file[name] = value


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BAD = {
    "fewer frames": (None, f"{WRIST}.mp4: ends after 2 frames, and trajectory.h5 has 4 steps"),
    "no video": (
        lambda f: (f / f"recordings/MP4/{WRIST}.mp4").unlink(),
        f"{WRIST}.mp4 is missing: trajectory.h5 names",
    ),
    "cut video": (lambda f: cut(f / f"recordings/MP4/{OUTSIDE[0]}.mp4"), f"{OUTSIDE[0]}.mp4: cannot be decoded"),
    "cut table": (lambda f: cut(f / "trajectory.h5"), "trajectory.h5: no readable HDF5 file"),
    "no velocity": (lambda f: edit(f, "action/joint_velocity", None), "dataset /action/joint_velocity is missing"),
    "six joints": (
        lambda f: edit(f, f"{STATE}/joint_positions", np.zeros((4, 6))),
        f"dataset /{STATE}/joint_positions is float64 [4, 6], expected numbers [T, 7]",
    ),
    "lengths": (lambda f: edit(f, "action/gripper_position", np.zeros(3)), "/action/gripper_position 3"),
    "infinite": (
        lambda f: edit(f, "action/gripper_position", np.array([0, np.inf, 0, 0])),
        "dataset /action/gripper_position is not finite at step 1",
    ),
    "two cameras": (
        lambda f: edit(f, f"{CAMERA_TYPE}/{OUTSIDE[1]}", None),
        f"names the wrist cameras ['{WRIST}'] and ['{OUTSIDE[0]}'] outside, expected one and two",
    ),
    "no cameras": (lambda f: edit(f, CAMERA_TYPE, None), "names the wrist cameras [] and [] outside"),
    "wandering": (
        lambda f: edit(f, f"{CAMERA_TYPE}/{WRIST}", np.array([0, 1, 0, 0])),
        f"dataset /{CAMERA_TYPE}/{WRIST} changes within the recording",
    ),
}


def test_bad_recordings_are_left_out_or_end_it_in_one_line(tmp_path):
    raw = tmp_path / "raw"
    good, short = record(raw / "00", 0, size=(180, 320)), record(raw / "01", 0, frames=2, size=(180, 320))
    for number, (spoil, _) in enumerate(BAD.values(), 1):
        folder = raw / f"{number:02d}"
        if spoil:
            shutil.copytree(good, folder)
            spoil(folder)
        else:
            assert folder == short
            for serial in OUTSIDE:
                shutil.copy(good / f"recordings/MP4/{serial}.mp4", folder / "recordings/MP4")
    done = run("--data_dir=raw", "--output=out", "--noinstructions", "--skip_bad_episodes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1 episodes, 4 frames, {len(BAD)} skipped, ")
    assert len(reader.LeRobotDataset(tmp_path / "out")) == 4
    for number, (line, (name, (_, message))) in enumerate(zip(done.stderr.splitlines(), BAD.items(), strict=True), 1):
        assert line.startswith(f"skipped: raw/{number:02d}/") and message in line, (name, line)
    done = run("--data_dir=raw", "--output=other", "--noinstructions", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("droid_raw: error: raw/01/recordings/MP4/")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--output=out"], 2, "--data_dir is needed"),
        (["--data_dir=raw"], 2, "where to? give --output=FOLDER"),
        (["--data_dir=.", "--output=out"], 1, "holds no trajectory.h5: give --data_dir=FOLDER"),
        (["--data_dir=raw", "--output=out"], 1, "annotations-030724.json is missing: put DROID's"),
        (
            ["--data_dir=raw", "--output=out", "--annotations=list.json"],
            1,
            "list.json: the top level is no JSON object",
        ),
        (["--data_dir=raw", "--output=out", "--annotations=bad.json"], 1, "bad.json: no valid JSON"),
    ],
)
def test_errors(tmp_path, arguments, code, message):
    if "--data_dir=raw" in arguments:
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw/trajectory.h5").write_bytes(b"")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "bad.json").write_text("{")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out").exists()
