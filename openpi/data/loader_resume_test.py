"""Training goes on where it stopped, with any number of processes, threads and workers."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from openpi.data import loader


class Numbers:
    """Sample n is n."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {"n": np.int64(index)}


def double(sample):
    return sample | {"twice": 2 * sample["n"]}


def numbers(batches):
    return [batch["n"].tolist() for batch in batches]


def unbroken(count, batch_size, length):
    """What a run of one process gives: `count` batches of the numbers below `length`."""
    with loader.create_loader(Numbers(length), double, batch_size=batch_size, seed=5, num_threads=0) as batches:
        return numbers(next(batches) for _ in range(count))


@hypothesis.given(
    st.integers(1, 3), st.integers(1, 4), st.integers(60, 130), st.lists(st.integers(0, 9), min_size=1, max_size=4)
)
@hypothesis.settings(max_examples=15, deadline=None)
def test_any_number_of_processes_goes_on_with_the_same_batches(rows, scale, length, legs):
    """Each leg is a run that ends after some batches; the next one has another number of processes."""
    batch_size = 12 * rows
    expected, done = unbroken(sum(legs), batch_size, length), 0
    state = None
    for leg, count in enumerate(legs):
        processes = (1, 2, 3, 4, 6, 12)[(leg * scale + rows) % 6]
        parts, states = [], []
        for process in range(processes):
            options = {"process_index": process, "process_count": processes, "num_threads": 0}
            with loader.create_loader(Numbers(length), double, batch_size=batch_size, seed=5, **options) as batches:
                if state is not None:
                    batches.set_state(state)
                parts.append(numbers(next(batches) for _ in range(count)))
                states.append(batches.get_state())
        assert all(each == states[0] for each in states)
        state = json.loads(json.dumps(states[0]))
        for number in range(count):
            assert [n for part in parts for n in part[number]] == expected[done + number]
        done += count


def test_going_from_2_to_4_to_1_processes_covers_every_epoch_once():
    length, batch_size, seen, state = 48, 8, [], None
    for processes, count in ((2, 4), (4, 5), (1, 3)):  # 12 batches: two epochs, changes in the middle of both
        gathered = []
        for process in range(processes):
            options = {"process_index": process, "process_count": processes}
            with loader.create_loader(Numbers(length), double, batch_size=batch_size, seed=0, **options) as batches:
                if state is not None:
                    batches.set_state(state)
                gathered.append(numbers(next(batches) for _ in range(count)))
                last = batches.get_state()
        seen += [n for batch in zip(*gathered, strict=True) for part in batch for n in part]
        state = last
    assert sorted(seen[:48]) == sorted(seen[48:]) == list(range(48)) and seen[:48] != seen[48:]


@pytest.mark.parametrize("options", [{"num_threads": 0}, {"num_threads": 3}, {"num_workers": 2}], ids=str)
@pytest.mark.parametrize("consumed", [0, 5])
def test_threads_and_workers_may_change_at_a_resume(options, consumed):
    expected = unbroken(9, 4, 21)
    with loader.create_loader(Numbers(21), double, batch_size=4, seed=5, **options) as batches:
        assert numbers(next(batches) for _ in range(consumed)) == expected[:consumed]
        state = batches.get_state()
        assert state["next_batch"] == consumed  # not those that are only read ahead
        assert numbers(next(batches) for _ in range(2)) == expected[consumed : consumed + 2]
    with loader.create_loader(Numbers(21), double, batch_size=4, seed=5, num_threads=2) as batches:
        batches.set_state(state)
        assert numbers(next(batches) for _ in range(9 - consumed)) == expected[consumed:]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 5}, "had config.batch_size=4, and now it is 5"),
        ({"seed": 1}, "had config.seed=0, and now it is 1"),
        ({"shuffle": False}, "had config.shuffle=True"),
        ({"length": 11}, "other data: the dataset has changed .frames 10 then and 11 now"),
    ],
)
def test_a_position_in_another_order_is_refused(changed, message):
    options = {"batch_size": 4, "seed": 0, "shuffle": True}
    with loader.create_loader(Numbers(10), double, **options) as batches:
        next(batches)
        state = batches.get_state()
    length = changed.pop("length", 10)
    with loader.create_loader(Numbers(length), double, **options | changed) as batches:
        before = batches.get_state()
        with pytest.raises(ValueError, match=message):
            batches.set_state(state)
        assert batches.get_state() == before


def test_a_checkpoint_of_an_earlier_loader_goes_on_with_its_batches():
    with loader.create_loader(Numbers(21), double, batch_size=4, seed=5) as batches:
        batches.set_state({"next_index": 3})
        assert numbers(next(batches) for _ in range(3)) == unbroken(6, 4, 21)[3:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"process_count": 3}, "config.batch_size=4 must be a multiple of the number of processes, 3"),
        ({"process_index": 2, "process_count": 2}, "process_index is 2, and there are 2 processes"),
    ],
)
def test_processes_share_a_batch_evenly(options, message):
    with pytest.raises(ValueError, match=message):
        loader.create_loader(Numbers(10), double, batch_size=4, seed=0, **options)


@pytest.mark.parametrize("process", [0, 1])
def test_the_last_batch_can_be_read_once_more(process):
    options = {"process_index": process, "process_count": 2, "num_threads": 1}
    with loader.create_loader(Numbers(30), double, batch_size=12, seed=5, **options) as batches:
        for _ in range(4):  # into the second epoch
            batch = next(batches)
        state = batches.get_state()
        again, origins = batches.last(state)
        assert again["n"].tolist() == batch["n"].tolist()
        assert again["twice"].tolist() == batch["twice"].tolist()
        assert [origin.frame for origin in origins] == batch["n"].tolist()
        assert batches.get_state() == state
