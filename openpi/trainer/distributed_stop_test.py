import random
import threading
import time

import pytest

from openpi.trainer import distributed_stop


class Memory:
    """A store of threads in place of processes."""

    def __init__(self):
        self.entries = {}

    def set(self, key, text):
        self.entries[key] = text

    def read(self):
        return dict(self.entries)

    def barrier(self, name, timeout_s):
        raise AssertionError(name)


def agreements(count, received):
    store = Memory()
    return store, [
        distributed_stop.StopAgreement(store, index, count, lambda index=index: received[index], 5)
        for index in range(count)
    ]


def test_without_a_signal_nothing_stops():
    store, (one, other) = agreements(2, [0, 0])
    for step in range(5, 10):
        for agreement in (one, other):
            assert not agreement.after(step)
            agreement.look(store.read())
    assert store.entries == {}
    assert one.signal == 0


def test_the_furthest_decides():
    received = [0, 15]
    store, (slow, fast) = agreements(2, received)
    assert not slow.after(5)
    for step in (5, 6, 7):
        assert not fast.after(step)
    fast.look(store.read())  # tells of the signal
    slow.look(store.read())  # slow has let step 6 begin, and pauses after it
    assert store.entries == {"stop/signal": "15", "stop/begun/0": "6"}
    assert not fast.after(8)  # goes on, unaware
    fast.look(store.read())
    assert store.entries["stop/begun/1"] == "9"
    slow.look(store.read())
    fast.look(store.read())
    assert [slow.after(step) for step in (6, 7, 8, 9)] == [False, False, False, True]
    assert fast.after(9)
    assert (slow.signal, fast.signal) == (15, 15)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_pace_all_end_after_the_same_step(seed):
    """Threads as processes whose steps wait for one another, as collectives do, up to a run-ahead of two."""
    chance = random.Random(seed)
    count, received = 3, [0, 0, 0]
    store, group = agreements(count, received)
    done, changed = [4] * count, threading.Condition()
    pace = [chance.uniform(0, 0.004) for _ in range(count)]

    def loop(index):
        step = 5
        while True:
            with changed:
                changed.wait_for(lambda step=step: min(done) >= step - 3, timeout=20)
                done[index] = step
                changed.notify_all()
            time.sleep(pace[index])
            if group[index].after(step):
                return
            step += 1

    def watch(index):
        while threads[index].is_alive():
            time.sleep(chance.uniform(0, 0.02))
            group[index].look(store.read())

    threads = [threading.Thread(target=loop, args=(index,)) for index in range(count)]
    watches = [threading.Thread(target=watch, args=(index,)) for index in range(count)]
    for thread in threads + watches:
        thread.start()
    time.sleep(chance.uniform(0.02, 0.1))
    received[chance.randrange(count)] = 2
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(set(done)) == 1
    assert {agreement.signal for agreement in group} == {2}
