import pathlib

from openpi.data.lerobot import reader, recording
from openpi.datasets import episode_sheet, summary
from openpi.testing import readme


def test_examples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recording.record(pathlib.Path("my_dataset"))
    readme.run("openpi/datasets/README.md", [reader, episode_sheet, summary])
    assert "2         9       reach the cube" in capsys.readouterr().out
    assert pathlib.Path("episode.png").stat().st_size > 10_000
