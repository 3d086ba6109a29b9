"""Recordings of a real server: complete, bounded, and never in the way of serving."""

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
import time

import numpy as np
import pytest

from openpi.client import base_policy, image_codec, msgpack_dialects, msgpack_numpy
from openpi.server import metrics, record_file, recording, served

_MIB = 2**20


class _Echo(base_policy.BasePolicy):
    def infer(self, obs):
        if not isinstance(obs["x"], np.ndarray):
            raise ValueError("x is no array")
        return {"actions": obs["x"]}


def _exchange(connection, message):
    connection.send(message)
    return connection.recv(timeout=10)


def _record(size=1000, number=1):
    return record_file.Record(session="s", request=number, arrived=1.0, drawn=0, message=bytes(size), reply=b"")


def _numbers(folder):
    return [record.request for path in record_file.find(folder) for record in record_file.RecordFile(path)]


def _counted(recorder, outcome):
    return recorder.samples().get("openpi_recorded_requests_total", {}).get((("outcome", outcome),), 0)


@contextlib.contextmanager
def _recording(folder, max_bytes=_MIB, **options):
    recorder = metrics.Metrics()
    kept = recording.Recording(folder, max_bytes=max_bytes, recorder=recorder, **options)
    try:
        yield kept, recorder
    finally:
        kept.close()


def test_keeps_what_was_sent_and_answered(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    raw = msgpack_dialects.Dialect("raw", text_keys=True)
    messages = [
        msgpack_numpy.packb({"x": np.arange(3.0), "openpi": {"num_steps": 2}}),
        msgpack_numpy.packb({"x": np.zeros(1), "camera": image_codec.compress(image, "jpeg")}),
        msgpack_dialects.packb({"x": np.ones(2)}, raw),
    ]
    metadata = {"robot": {"name": "arm"}}
    with _recording(tmp_path / "made", config_name="arm") as (kept, recorder):
        with (
            served.serve(_Echo(), metadata, record_to=kept) as running,
            running.connect() as first,
            running.connect() as second,
        ):
            assert first.recv() == second.recv()
            replies = [_exchange(first, message) for message in messages]
            replies.append(_exchange(second, messages[0]))
            assert "x is no array" in _exchange(second, msgpack_numpy.packb({"x": 1}))
        kept.close()
        assert _counted(recorder, "written") == 4
    (path,) = record_file.find(tmp_path / "made")
    found = record_file.RecordFile(path)
    assert (found.header.metadata, found.header.config_name, found.left) == (metadata, "arm", 0)
    records = list(found)
    assert [record.message for record in records] == [*messages, messages[0]]
    assert [record.reply for record in records] == replies
    assert [record.request for record in records] == [1, 2, 3, 1]
    assert [record.drawn for record in records] == [0, 1, 2, 3]
    assert len({record.session for record in records}) == 2
    assert 0 <= records[2].arrived - found.header.started < 60
    assert records[0].observation["openpi"] == {"num_steps": 2}


def test_another_policy_begins_another_file(tmp_path):
    with (
        _recording(tmp_path) as (kept, _),
        served.serve(_Echo(), record_to=kept) as running,
        running.connect() as connection,
    ):
        connection.recv()
        message = msgpack_numpy.packb({"x": np.zeros(1)})
        _exchange(connection, message)
        _exchange(connection, message)
        running.server.swap(_Echo(), metadata={"new": True}, max_batch_size=1, source="runs/8")
        _exchange(connection, message)
    first, second = map(record_file.RecordFile, record_file.find(tmp_path))
    assert (len(first), first.header.metadata) == (2, {})
    assert (len(second), second.header.metadata, second.header.checkpoint) == (1, {"new": True}, "runs/8")
    assert second[0].drawn == 0


@pytest.mark.parametrize("size", [1000, 30_000])
def test_the_oldest_go_when_there_is_no_more_room(tmp_path, size):
    (tmp_path / "notes.txt").write_bytes(bytes(_MIB))
    for start in (0, 200):  # a second server goes on where the first has stopped
        with _recording(tmp_path, max_bytes=200_000) as (kept, recorder):
            for number in range(start, start + 200):
                kept.add(_record(size, number))
            kept.close()
            assert _counted(recorder, "written") == 200
        assert sum(path.stat().st_size for path in record_file.find(tmp_path)) <= 200_000
    numbers = _numbers(tmp_path)
    assert numbers == list(range(400 - len(numbers), 400))
    assert len(numbers) * size > 100_000
    assert (tmp_path / "notes.txt").exists()


def test_a_record_larger_than_the_room_is_dropped(tmp_path):
    with _recording(tmp_path, max_bytes=10_000) as (kept, recorder):
        for size in (100, 20_000, 100):
            kept.add(_record(size))
        kept.close()
        assert (_counted(recorder, "written"), _counted(recorder, "dropped")) == (2, 1)
    assert len(_numbers(tmp_path)) == 2


def test_what_the_disk_does_not_take_in_time_is_dropped(tmp_path, monkeypatch):
    """The disk stands still while requests come."""
    stuck, go_on = threading.Event(), threading.Event()
    pack = record_file.pack

    def wait(record):
        stuck.set()
        assert go_on.wait(20)
        return pack(record)

    monkeypatch.setattr(record_file, "pack", wait)
    with _recording(tmp_path, max_waiting_bytes=5000) as (kept, recorder):
        kept.add(_record(1000, 0))
        assert stuck.wait(10)
        for number in range(1, 100):
            kept.add(_record(1000, number))
        assert _counted(recorder, "dropped") == 94
        go_on.set()
    assert _numbers(tmp_path) == [0, 1, 2, 3, 4, 5]


def _fill(folder, result):
    """A server on a disk that is full after 50,000 bytes of a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    recorder = metrics.Metrics()
    kept = recording.Recording(folder, max_bytes=100 * _MIB, recorder=recorder)
    with served.serve(_Echo(), record_to=kept) as running, running.connect() as connection:
        connection.recv()
        for number in range(100):
            reply = _exchange(connection, msgpack_numpy.packb({"x": np.full(100, number)}))
            assert msgpack_numpy.unpackb(reply)["actions"][0] == number
    kept.close()
    result.put((_counted(recorder, "written"), _counted(recorder, "dropped")))


def test_a_full_disk_ends_the_recording_and_not_the_serving(tmp_path, capfd):
    context = multiprocessing.get_context("spawn")
    result = context.SimpleQueue()
    process = context.Process(target=_fill, args=(tmp_path, result))
    process.start()
    written, dropped = result.get()
    process.join()
    assert written + dropped == 100
    assert _numbers(tmp_path) == list(range(1, int(written) + 1))
    (path,) = record_file.find(tmp_path)
    assert path.stat().st_size == 50_000
    assert record_file.RecordFile(path).left > 0
    assert capfd.readouterr().err.count("the recording ends, serving goes on") == 1


def _record_and_die(folder):
    recorder = metrics.Metrics()
    kept = recording.Recording(folder, max_bytes=_MIB, recorder=recorder)
    for number in range(20):
        kept.add(_record(1000, number))
    while _counted(recorder, "written") < 20:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_is_written_outlives_a_kill(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_record_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert _numbers(tmp_path) == list(range(20))
    with _recording(tmp_path) as (kept, _):  # the folder is free again
        kept.add(_record(1000, 20))
    assert _numbers(tmp_path) == list(range(21))


def test_one_server_a_folder(tmp_path):
    with (
        _recording(tmp_path) as (kept, recorder),
        pytest.raises(ValueError, match="another server records to .*--record=DIR"),
        _recording(tmp_path),
    ):
        pass
    kept.add(_record())  # after the end nothing is kept, and that is counted
    assert _counted(recorder, "dropped") == 1
    with _recording(tmp_path) as (kept, _):
        kept.add(_record())
    assert _numbers(tmp_path) == [1]
