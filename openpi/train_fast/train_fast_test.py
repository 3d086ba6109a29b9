"""The program as a user starts it, on a recorded dataset."""

import re

import numpy as np
import pytest

from openpi.config import build_transforms
from openpi.normalization import norm_stats
from openpi.testing import program
from openpi.tokenizers import fast_codec_files
from openpi.train_fast import figures
from openpi.trainer import data_source, tiny_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tiny_dataset.record(tmp_path_factory.mktemp("data") / "tiny")


def run(*arguments, cwd):
    """(exit code, output, error) of the program, started in `cwd`."""
    done = program.run(
        "openpi/train_fast", *arguments, cwd=cwd, JAX_PLATFORMS="cpu", OPENPI_DATA_HOME=str(cwd / "home")
    )
    return done.returncode, done.stdout, done.stderr


def tiny(dataset, *more):
    return (*tiny_dataset.FLAGS, f"--config.data.root={dataset}", *more)


def test_trains_prints_and_writes_and_overwrites_on_demand(dataset, tmp_path):
    code, output, error = run(*tiny(dataset, "--output=codecs/tiny", "--vocab_size=400"), cwd=tmp_path)
    assert code == 0, error
    folder = tmp_path / "codecs/tiny"
    assert output.endswith(f"\nwritten to {folder}\n")
    assert "\r" not in error  # no progress bar where nobody sees it
    codec = fast_codec_files.load(folder)
    assert (codec.scale, codec.time_horizon, codec.action_dim) == (10, 4, 14)

    # The figures are those of the chunks that training would see.
    config = tiny_dataset.config(data__root=str(dataset))
    stats = norm_stats.load(tmp_path / "assets/aloha_reach/openpi/aloha_reach")
    training = build_transforms.build(config).training(stats)
    frames = data_source.open_dataset(config)
    chunks = np.stack([training(frames[row])["actions"][:, :14] for row in range(len(frames))])
    assert output.startswith(figures.Figures.measure(codec, chunks.astype(np.float32)).render())
    assert np.abs(chunks).max() > 1 and float(re.search(r"([\d.]+) at most, in norm", output)[1]) < 0.1

    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    again = tiny(dataset, "--output=codecs/tiny", "--vocab_size=300", "--scale=5", "--max_chunks=9")
    code, output, error = run(*again, cwd=tmp_path)
    assert code == 1 and output == "" and f"train_fast: error: {folder} is there already" in error
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    code, output, error = run(*again, "--overwrite", cwd=tmp_path)
    assert code == 0 and output.startswith("chunks                9 of 4 actions × 14\n"), error
    assert fast_codec_files.load(folder).scale == 5
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--output=x",), 2, "for which configuration? give --config=experiments/aloha.py"),
        (tiny("{dataset}"), 1, "where to? give --output=FOLDER"),
        (tiny("/nowhere", "--output=x"), 1, "no LeRobot dataset at /nowhere"),
        (tiny("{dataset}", "--output=x", "--config.data.compute_norm_stats=False"), 1, "run //openpi/norm_stats"),
        (tiny("{dataset}", "--output=x", "--scale=10000"), 1, "more than vocab_size=1024: normalize"),
        (tiny("{dataset}", "--output=x", "--vocab_size=100"), 2, "vocab_size"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(dataset, tmp_path, arguments, code, message):
    arguments = [argument.format(dataset=dataset) for argument in arguments]
    got, _, error = run(*arguments, cwd=tmp_path)
    assert got == code, error
    lines = [line for line in error.splitlines() if line.startswith("train_fast: error: ")]
    assert len(lines) == 1 and message in lines[0] and "Traceback" not in error, error
    assert not (tmp_path / "x").exists()


def test_help_explains(tmp_path):
    code, output, _ = run("--help", cwd=tmp_path)
    assert code == 0 and "Trains a FAST action codec" in output
    flags = ("config", "config_name", "output", "vocab_size", "scale", "max_chunks", r"\[no\]overwrite")
    assert all(re.search(f"--{flag}:", output) for flag in flags)
