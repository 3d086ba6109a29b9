import pytest
from PIL import Image

from openpi.train import dry_run
from openpi.trainer import plan, tiny_dataset


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_dataset.record(tmp_path_factory.mktemp("datasets") / "reach")


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Where compiled programs are kept."""
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path_factory.getbasetemp() / "home"))


def look(root, tmp_path, **settings):
    """(exit code, the picture's path) of a dry run."""
    places = {"data__root": str(root), "assets_base_dir": str(tmp_path / "assets")}
    picture = tmp_path / "seen.png"
    return dry_run.dry_run(tiny_dataset.config(**places, **settings), picture), picture


def test_shows_the_road_from_the_dataset_to_the_model(root, tmp_path, capsys):
    code, picture = look(root, tmp_path)
    out = capsys.readouterr().out
    assert code == 0, out
    lines = out.splitlines()
    stages = [line.split(maxsplit=1)[1] for line in lines if line[:1].isdigit()]
    assert stages[0] == "dataset"
    assert stages[-1] == "batch"
    for stage in ("Repack", "RobotInputs", "DeltaActions", "Normalize", "ResizeImages", "TokenizePrompt"):
        assert stage in stages
    batch = out[out.index("the first batch") :]
    assert "uint8[4, 56, 56, 3]" in batch
    assert "float32[4, 4, 14]" in batch
    assert "PROBLEM" not in out
    memory = dict(
        line.strip().rsplit(maxsplit=1) for line in out[out.index("full fine-tuning") :].splitlines() if "  " in line
    )
    assert 0 < float(memory["activations"]) < float(memory["peak"])
    with Image.open(picture) as image:
        assert image.width > image.height / 4
    assert (tmp_path / "assets").is_dir()  # statistics were asked for, as training would make them


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model__action_dim": 8}, ["14 numbers in state", "config.model.action_dim is 8"]),
        ({"data__compute_norm_stats": False}, ["norm stats not found", "//openpi/norm_stats"]),
    ],
)
def test_what_does_not_fit_is_a_problem(root, tmp_path, capsys, settings, words):
    code, picture = look(root, tmp_path, **settings)
    assert code == 1
    assert picture.exists()
    problem = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("PROBLEM: "))
    for word in words:
        assert word in problem


def test_a_step_that_is_too_large_is_a_problem(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plan, "device_memory", lambda: 2**20)
    code, _ = look(root, tmp_path)
    assert code == 1
    assert "PROBLEM: a step takes 0.0" in capsys.readouterr().out


def test_what_cannot_be_read_is_an_error(root, tmp_path):
    with pytest.raises(ValueError, match=r"config\.data\.repack\.images\.cam_high is 'front'"):
        look(root, tmp_path, data__repack__images__cam_high="front")


def test_no_run_and_no_cache_is_made(root, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path / "home"))
    look(root, tmp_path, data__cache="frames", checkpoint_base_dir=str(tmp_path / "checkpoints"))
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "home" / "frames").exists()
