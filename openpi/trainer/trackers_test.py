"""What the trackers write, read back."""

import json
import struct

import numpy as np
import PIL.Image
import pytest
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal import datastore

from openpi.trainer import metrics_writer, tiny_dataset, trackers


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "seen.png"
    PIL.Image.fromarray(np.full((4, 6, 3), 200, np.uint8)).save(path)
    return path


def run_folder(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    return directory


def test_tensorboard_events(tmp_path, picture):
    directory = run_folder(tmp_path)
    with trackers.open_writer(tiny_dataset.config(), directory) as writer:
        writer.write(7, {"loss": 1.5, "grad_norm": float("nan")})
        writer.picture(7, "first_batch", picture)
    (events,) = directory.glob("events.out.tfevents.*")
    records = events.read_bytes()
    assert b"loss" in records and struct.pack("<f", 1.5) in records and b"grad_norm" not in records
    assert b"first_batch" in records and b"\x89PNG" in records
    assert sorted(path.name.split(".")[0] for path in directory.iterdir()) == ["events", "metrics"]


def records(path):
    """What a file of Weights & Biases holds."""
    store = datastore.DataStore()
    store.open_for_scan(str(path))
    found = []
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        found.append(record)
    return found


def test_weights_and_biases_offline(tmp_path, picture, monkeypatch):
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    directory, config = run_folder(tmp_path), tiny_dataset.config(wandb__mode="offline", exp_name="mine")
    with trackers.open_writer(config, directory) as writer:
        writer.write(7, {"loss": 1.5, "grad_norm": float("nan")})
        writer.picture(7, "first_batch", picture)
    with trackers.open_writer(config, directory, resume_step=8) as writer:
        writer.write(8, {"loss": 0.5})
    assert [line["loss"] for line in metrics_writer.read(directory)] == [1.5, 0.5]
    name = (directory / "wandb_id.txt").read_text().strip()
    logs = sorted(directory.glob(f"wandb/offline-run-*/run-{name}.wandb"))
    assert len(logs) == 2  # of one run
    history = [record.history for path in logs for record in records(path) if record.HasField("history")]
    items = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in entry.item} for entry in history
    ]
    assert [(entry["_step"], entry["loss"]) for entry in items] == [(7, 1.5), (8, 0.5)]
    assert items[0]["first_batch/_type"] == "image-file" and "grad_norm" not in items[0]
    (run,) = {record.run.display_name for record in records(logs[0]) if record.HasField("run")}
    assert run == "aloha_reach/mine"
    assert list(directory.glob("wandb/offline-run-*/files/media/images/first_batch_7_*.png"))


def test_online_without_a_login_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(ValueError, match=r"config.wandb.mode='online': No API key configured.*--config.wandb.mode=off"):
        trackers.check(tiny_dataset.config(wandb__mode="online"))
    trackers.check(tiny_dataset.config(wandb__mode="offline"))
