"""The program as a user starts it, with a policy of almost no size that was not trained."""

import pytest

from openpi.policies import tiny_checkpoint
from openpi.testing import program
from openpi.trainer import tiny_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A checkpoint, and a dataset."""
    directory = tmp_path_factory.mktemp("home")
    tiny_checkpoint.write(directory / "run")
    tiny_dataset.record(directory / "data")
    return directory


def roll(home, *flags):
    return program.run("openpi/train:open_loop", "--checkpoint=run", *flags, cwd=home, OPENPI_OFFLINE="1")


def test_draws_episodes_and_tells_their_errors(home):
    done = roll(home, "--dataset=data", "--episode=0,2", "--stride=2", "--output=new")
    assert done.returncode == 0, done.stderr
    for episode in (0, 2):
        assert (home / "new" / f"open_loop_{episode}.png").read_bytes().startswith(b"\x89PNG")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("episode")] == [
        f"episode {episode}: new/open_loop_{episode}.png" for episode in (0, 2)
    ]
    errors = {line.split()[0]: float(line.split()[1]) for line in lines[1:15]}
    assert next(iter(errors)) == "left_waist" and len(errors) == 14 and min(errors.values()) > 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataset=data", "--episode=3"], "--episode=3: the dataset has 3 episodes, 0 to 2"),
        (["--dataset=nowhere"], "nowhere"),
    ],
)
def test_an_error_is_one_line(home, flags, words):
    done = roll(home, *flags)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
