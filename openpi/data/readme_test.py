import jax

from openpi.data import image_cache, loader, mixture, prefetch
from openpi.data.lerobot import reader, recording
from openpi.testing import readme


def test_the_examples_do_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, lengths in (("my_dataset", (4, 7, 5)), ("more_data", (6,))):
        recording.record(tmp_path / name, lengths)
    got = readme.run("openpi/data/README.md", [image_cache, loader, mixture, prefetch, reader, jax])
    assert len(got["dataset"]) == 22
    assert got["position"]["next_batch"] == 1
    assert [entry["weight"] for entry in got["position"]["order"]["datasets"]] == [0.8, 0.2]
    assert list((tmp_path / "cache").rglob("*.npy"))
