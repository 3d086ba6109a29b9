from openpi.data.lerobot import recording
from openpi.data.lerobot_package import lerobot_dataset
from openpi.testing import readme


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recording.record(tmp_path / "my_dataset")
    readme.run("openpi/data/lerobot_package/README.md", [lerobot_dataset])
    assert capsys.readouterr().out.endswith(f"16 v3.0 (2, 3) {recording.TASKS[0]}\n")
