import json

from openpi.data.rlds import droid, recording
from openpi.testing import readme


def test_examples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recording.write(tmp_path / "rlds/droid/1.0.1", [recording.droid_episode(i, 20) for i in range(3)])
    ranges = {f"/data/success/day/{i}/recordings/MP4--/data/success/day/{i}/trajectory.h5": [[2, 9]] for i in (0, 2)}
    (tmp_path / "ranges.json").write_text(json.dumps(ranges))
    variables = readme.run("openpi/data/rlds/README.md", [droid])
    assert capsys.readouterr().out.startswith("14 frames of 2 episodes\n")
    assert variables["item"]["actions"].shape == (16, 8)
