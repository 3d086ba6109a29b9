"""Both programs as a user starts them, with a Hub on this machine."""

import pytest

from openpi.checkpoints.assets import faulty_server
from openpi.data import hub_test_server
from openpi.data.lerobot import reader, recording
from openpi.testing import program


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "OPENPI_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with faulty_server.FaultyServer() as storage, hub_test_server.DatasetHub(storage) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def run(name, *arguments, cwd, token="hf_write"):
    done = program.run(f"openpi/datasets:{name}", *map(str, arguments), cwd=cwd, HF_TOKEN=token)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_there_and_back(server, tmp_path):
    recording.record(tmp_path / "cubes")
    done = run("push", "lab/cubes", "--root=cubes", "--private", "--tags=cubes,test", "--license=mit", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{server.url}/datasets/lab/cubes\n"
    assert server.private == {"lab/cubes": True}
    page = server.dataset("lab/cubes")["README.md"].decode()
    assert 'license: "mit"' in page and 'tags: ["LeRobot", "cubes", "test"]' in page
    done = run("pull", "lab/cubes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "home/hf/datasets/lab/cubes@v3.0"
    assert done.stdout == f"{folder}\n"
    assert len(reader.LeRobotDataset(folder, check_videos=True)) == 16
    again = recording.record(tmp_path / "other", lengths=(9,))
    assert run("push", "lab/cubes", f"--root={again}", cwd="/").returncode == 0
    assert run("pull", "lab/cubes", cwd=tmp_path).stdout == f"{folder}\n"
    assert len(reader.LeRobotDataset(folder)) == 16  # kept, until it is asked for anew
    done = run("pull", "lab/cubes", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(reader.LeRobotDataset(folder, check_videos=True)) == 9
    done = run("pull", "lab/cubes", "--revision=main", cwd=tmp_path)
    assert done.stdout == f"{folder.with_name('cubes@main')}\n"


@pytest.mark.parametrize(
    ("arguments", "token", "code", "message"),
    [
        (["pull"], "", 2, "give OWNER/NAME..."),
        (["pull", "cubes"], "", 1, "'cubes' is no repository of the Hub: give OWNER/NAME"),
        (["pull", "lab/none"], "", 1, "'lab/none': hf://datasets/lab/none@main/meta does not exist or is private"),
        (["push", "lab/cubes"], "hf_write", 2, "what? give --root=FOLDER"),
        (["push", "cubes", "--root=cubes"], "hf_write", 1, "'cubes' is no repository of the Hub: give OWNER/NAME"),
        (["push", "lab/cubes", "--root=none"], "hf_write", 1, "none is no folder, and no dataset in "),
        (["push", "lab/cubes", "--root=empty"], "hf_write", 1, "what is not whole is not pushed: no LeRobot dataset"),
        (["push", "lab/cubes", "--root=cubes"], "", 1, "lab/cubes needs a token that may write: set HF_TOKEN"),
        (["push", "lab/cubes", "--root=cubes"], "hf_bad", 1, "lab/cubes may not be written (HTTP 401): set HF_TOKEN"),
    ],
)
def test_errors_are_one_line(server, tmp_path, arguments, token, code, message):
    recording.record(tmp_path / "cubes", lengths=(2,))
    (tmp_path / "empty").mkdir()
    done = run(*arguments, cwd=tmp_path, token=token)
    assert done.returncode == code
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{arguments[0]}: error: ") and message in last, done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert not server.commits
