"""The program as a user starts it."""

import json
import shutil

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rerun as rr

from openpi.data.lerobot import recording, writer
from openpi.testing import program


def inspect(*arguments, cwd="/", **environment):
    target = "openpi/datasets:inspect_dataset"
    done = program.run(target, *map(str, arguments), cwd=cwd, **environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("recorded") / "cubes")


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_what_it_tells(tmp_path, version):
    recording.record(tmp_path / "cubes", version=version)
    done = inspect("cubes", "--json=told.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "told.json").read_text())
    sizes = [path.stat().st_size for path in (tmp_path / "cubes").rglob("*") if path.is_file()]
    assert told.pop("bytes")["total"] == sum(sizes)
    assert told.pop("features")["observation.state"] == {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]}
    assert told == {
        "path": str(tmp_path / "cubes"),
        "robot": "aloha",
        "version": version,
        "fps": 10,
        "episodes": 3,
        "frames": 16,
        "hours": 16 / 36_000,
        "lengths": {"min": 4, "median": 5.0, "max": 7},
        "tasks": [
            {"task": "reach the cube", "episodes": 2, "frames": 9},
            {"task": "push the cube", "episodes": 1, "frames": 7},
        ],
        "unreadable": {},
        "notes": ["action never changes in z"],
    }
    lines = [line.split() for line in done.stdout.splitlines()]
    for line in (
        f"format LeRobot {version}",
        "lengths min 4 (0.4 s); median 5 (0.5 s); max 7 (0.7 s)",
        "1 7 push the cube",
        "observation.state float32 [3] x, y, z",
        "observation.images.cam_high video [48, 64, 3] height, width, channels",
        "note: action never changes in z",
    ):
        assert line.split() in lines, done.stdout


def test_notes(tmp_path):
    features = {"state": {"dtype": "float32", "shape": [2], "names": None}}
    with writer.LeRobotWriter(tmp_path / "odd", 10, features) as recorder:
        for length, task in ((30, "go"), (1, "go"), (40, " ")):
            for t in range(length):
                recorder.add_frame({"state": np.array([t, 1], np.float32)})
            recorder.save_episode(task)
    told = json.loads(inspect(tmp_path / "odd", "--json=-").stdout)
    assert told["notes"] == [
        "state never changes in 1",
        "much shorter than most, or of one frame: 1 episode: 1",
        "the task ' ' says nothing",
        "it has no camera",
    ]


def test_bad_episodes_are_told(recorded, tmp_path):
    root = shutil.copytree(recorded, tmp_path / "cubes")
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    action = table["action"].to_pylist()
    action[5][1] = float("nan")
    column = table.schema.get_field_index("action")
    table = table.set_column(column, table.schema.field("action"), pa.array(action, table.schema.field("action").type))
    pq.write_table(table, path)
    done = inspect(root, "--json=told.json", f"--png={tmp_path / 'png'}", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["episodes"], told["frames"], list(told["unreadable"])) == (2, 9, ["1"])
    assert "episode 1, frame 1: 'action' holds a value that is not finite" in told["unreadable"]["1"]
    assert "\n1 episode cannot be used; config.data.skip_bad_episodes leaves them out\n" in done.stdout
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == ["episode_000000.png", "episode_000002.png"]
    done = inspect(root, "--episode=1", f"--png={tmp_path / 'png'}")
    assert done.returncode == 1 and "--episode=1: " in done.stderr and "not finite" in done.stderr
    (root / "videos" / recording.CAMERA / "chunk-000/file-000.mp4").write_bytes(b"")
    done = inspect(root)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    done = inspect(root, "--nocheck_videos")
    assert done.returncode == 1 and "not finite" in done.stdout


def test_pictures(recorded, tmp_path):
    done = inspect(recorded, "--png=png", "--episode=2,0", "--json=-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["episodes"] == 3
    paths = [tmp_path / f"png/episode_00000{number}.png" for number in (2, 0)]
    relative = [path.relative_to(tmp_path) for path in paths]
    assert done.stderr.splitlines() == [f"written to {path}" for path in relative]
    pixels = []
    for path in paths:
        with PIL.Image.open(path) as image:
            assert image.width == 1600 and image.height > 500
            pixels.append(np.asarray(image.convert("RGB")))
    colors = {tuple(color) for color in pixels[0][::2, ::2].reshape(-1, 3).tolist()}
    assert len(colors) > 500  # of the camera's colour gradients
    assert (31, 119, 180) in colors and (255, 127, 14) in colors  # the curves of states and actions
    assert pixels[0].shape != pixels[1].shape or np.any(pixels[0] != pixels[1])


def test_rerun(recorded, tmp_path):
    done = inspect(recorded, f"--rerun={tmp_path / 'a/episode.rrd'}", "--episode=1")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["episode.rrd"]
    view = rr.dataframe.load_recording(tmp_path / "a/episode.rrd").view(index="frame", contents="/**")
    table = view.select().read_all()
    frames = table["frame"].to_pylist()
    assert frames == list(range(7))
    rows = {name.split(":")[0]: name for name in table.column_names if name.endswith(":Scalars:scalars")}
    assert set(rows) == {"/observation.state", "/action", "/reward", "/done"}
    states = np.array(table[rows["/observation.state"]].to_pylist())
    np.testing.assert_array_equal(states, [recording.frame(4 + t)[recording.STATE] for t in range(7)])
    blobs = table[f"/{recording.CAMERA}:EncodedImage:blob"]
    assert len(blobs) == 7 and blobs.null_count == 0
    static = view.select_static().read_all().to_pylist()[0]
    assert static["/task:TextDocument:text"] == ["push the cube"]
    assert static["/action:SeriesLines:names"] == ["x", "y", "z"]
    seconds = table["time"].cast("int64").to_numpy() / 1e9
    np.testing.assert_allclose(seconds, np.arange(7) / recording.FPS)


def test_named_otherwise(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "home/datasets/mine")
    shutil.copytree(recorded, tmp_path / "home/datasets/lab/cubes")
    config = tmp_path / "config.py"
    config.write_text(
        "from experiments import aloha\n\n\ndef get_config(variant='aloha_reach'):\n    config = aloha.get_config(variant)\n"
        "    config.data.generator = ''\n    config.data.repo_id = 'mine'\n    return config\n"
    )
    environment = {"OPENPI_DATA_HOME": str(tmp_path / "home"), "OPENPI_OFFLINE": "1"}
    for argument, name in (("mine", "mine"), ("lab/cubes", "lab/cubes"), (f"--config={config}", "mine")):
        done = inspect(argument, cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{tmp_path}/home/datasets/{name}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give DATASET, or --config=FILE.py"),
        (["a", "b"], 2, "give one DATASET, not 2"),
        (["a", "--config=experiments/aloha.py"], 2, "give either DATASET or --config"),
        (["/nowhere"], 1, "/nowhere is no folder, and no dataset in "),
        (["nothing"], 1, "the Hub's are named OWNER/NAME"),
        (["lab/cubes"], 1, "'lab/cubes': hf://datasets/lab/cubes@main/meta is needed and this is offline"),
        (["empty"], 1, "no LeRobot dataset at "),
        (["--config=experiments/none.py"], 1, "none.py"),
        (["--config=pi0_aloha"], 1, "config.data.repo_id is empty"),
        (["cubes", "--episode=x"], 2, "--episode: 'x' is no number"),
        (["cubes", "--episode=3"], 1, "--episode=3: the dataset has episodes 0 to 2"),
        (["cubes", "--json=/nowhere/x.json"], 1, "/nowhere/x.json"),
        (["cubes", "--png=cubes/meta/info.json"], 1, "cubes/meta/info.json"),
        (["cubes", "--rerun=cubes/meta/info.json/x.rrd"], 1, "cubes/meta/info.json"),
    ],
)
def test_errors_are_one_line(recorded, tmp_path, arguments, code, message):
    shutil.copytree(recorded, tmp_path / "cubes")
    (tmp_path / "empty").mkdir()
    done = inspect(*arguments, cwd=tmp_path, OPENPI_DATA_HOME=str(tmp_path / "home"), OPENPI_OFFLINE="1")
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stderr.startswith("inspect: error: ") and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
