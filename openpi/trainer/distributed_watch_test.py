import threading

import pytest

from openpi.trainer import distributed_watch


class Memory:
    """A store of threads in place of processes; `gone` as when process 0 is."""

    def __init__(self):
        self.entries, self.gone = {}, False

    def set(self, key, text):
        self.read()
        self.entries[key] = text

    def read(self):
        if self.gone:
            raise RuntimeError("UNAVAILABLE: Socket closed")
        return dict(self.entries)

    def barrier(self, name, timeout_s):
        raise AssertionError(name)


@pytest.fixture
def group(monkeypatch):
    """Three watches with what they said, on one clock."""
    monkeypatch.setattr(distributed_watch, "INTERVAL_S", 0.01)
    monkeypatch.setattr(distributed_watch, "_LINGER_S", 0.3)
    store, now = Memory(), [0.0]
    said = [[], [], []]
    watches = [
        distributed_watch.Watch(
            store, index, 3, silence_s=10, say=said[index].append, end=lambda code: None, clock=lambda: now[0]
        )
        for index in range(3)
    ]
    return store, watches, said, now


def test_those_who_beat_are_left_alone(group):
    _, watches, said, now = group
    for _ in range(20):
        now[0] += 6
        for watch in watches:
            watch.look()
    assert said == [[], [], []]


def test_silence_is_told_by_the_others_once(group):
    _, watches, said, now = group
    for watch in watches:
        watch.look()
    for _ in range(4):
        now[0] += 6
        for watch in (watches[2], watches[0]):
            watch.look()
    assert said[1] == []
    assert [len(lines) for lines in said] == [1, 0, 1]
    assert said[2][0].startswith("process 1 of 3 has not been heard of for 10 s")


def test_who_never_came_is_silent_too(group):
    _, watches, said, now = group
    now[0] = 10.5
    watches[0].look()
    assert "process 1 of 3" in said[0][0]


@pytest.mark.parametrize("error", [ValueError("the cube\nis gone"), KeyboardInterrupt()])
def test_a_failure_is_told_to_all(group, error):
    _, watches, said, _ = group
    watches[1].fail(error)
    watches[1].leave(1)
    for watch in reversed(watches):
        watch.look()
    text = "the cube is gone" if str(error) else "KeyboardInterrupt"
    assert said[0] == [f"process 1 of 3 failed, and this one, 0, ends too: {text}"]
    assert said[1] == []  # it says so itself
    assert said[2] == [f"process 1 of 3 failed, and this one, 2, ends too: {text}"]


def test_process_0_waits_until_the_others_know(group, monkeypatch):
    store, watches, said, _ = group
    monkeypatch.setattr(distributed_watch, "_LINGER_S", 20)
    watches[0].fail(ValueError("no"))
    thread = threading.Thread(target=watches[0].leave, args=(1,))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    watches[1].look()
    watches[2].look()
    thread.join(5)
    assert not thread.is_alive()
    assert said[0] == [] and "failed" in store.entries


def test_without_a_store_the_coordinator_is_gone(group):
    store, watches, said, _ = group
    watches[1].start()
    store.gone = True
    watches[1]._thread.join(5)
    assert said[1] == ["process 0 of 3, the coordinator, is gone: UNAVAILABLE: Socket closed"]
    watches[1].stop()


def test_listeners_see_the_store(group):
    store, watches, _, _ = group
    seen = []
    watches[2].listen(seen.append)
    store.set("stop/signal", "15")
    watches[2].look()
    assert seen == [{"stop/signal": "15", "alive/2": "1"}]


def test_one_that_fails_by_itself_says_so_itself(group):
    store, watches, said, _ = group
    store.set("failed", "2 the cube is gone")
    watches[0].ignore_failures()
    watches[0].look()
    assert said[0] == []
    watches[1].look()
    assert said[1] == ["process 2 of 3 failed, and this one, 1, ends too: the cube is gone"]
