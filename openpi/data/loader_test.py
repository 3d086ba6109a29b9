import json
import os

import numpy as np
import pytest

from openpi.data import loader
from openpi.data.lerobot import reader, recording


class Numbers:
    """Sample n is n; remembers nothing, so that processes may copy it."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {"n": np.int64(index), "nested": {"x": np.full(3, index, np.float32)}}


def double(sample):
    return sample | {"twice": 2 * sample["n"]}


def numbers(batches):
    return [batch["n"].tolist() for batch in batches]


def take(count, **options):
    options = {"batch_size": 4, "seed": 0} | options
    with loader.create_loader(Numbers(10), double, **options) as batches:
        return numbers(next(batches) for _ in range(count))


def test_a_batch_is_what_the_transform_made_of_its_samples():
    with loader.create_loader(Numbers(10), double, batch_size=4, seed=0) as batches:
        batch = next(batches)
    np.testing.assert_array_equal(batch["twice"], 2 * batch["n"])
    np.testing.assert_array_equal(batch["nested"]["x"], np.tile(batch["n"][:, None], 3))
    assert batch["nested"]["x"].dtype == np.float32


def test_the_seed_decides_the_order_and_threads_do_not():
    order = take(20, num_threads=0)
    assert order == take(20, num_threads=0) == take(20, num_threads=2) == take(20, num_threads=5, read_ahead=9)
    assert order != take(20, seed=1)


def test_every_epoch_has_all_samples_in_an_order_of_its_own():
    flat = np.concatenate(take(15)).tolist()  # 60 samples: 6 epochs of 10
    epochs = [flat[i : i + 10] for i in range(0, 60, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6


@pytest.mark.parametrize(("num_epochs", "count"), [(1, 2), (2, 5), (4, 10)])
def test_the_end_drops_the_remainder(num_epochs, count):
    with loader.create_loader(Numbers(10), double, batch_size=4, seed=0, num_epochs=num_epochs) as batches:
        assert len(list(batches)) == count


def test_without_shuffle_the_datasets_order():
    assert take(3, shuffle=False) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]


@pytest.mark.parametrize("consumed", [0, 1, 7])
def test_a_state_resumes_with_the_same_batches(consumed):
    with loader.create_loader(Numbers(10), double, batch_size=4, seed=3) as first:
        for _ in range(consumed):
            next(first)
        state = json.loads(json.dumps(first.get_state()))
        expected = numbers(next(first) for _ in range(6))
        first.set_state(state)  # in the same loader
        assert numbers(next(first) for _ in range(6)) == expected
    with loader.create_loader(Numbers(10), double, batch_size=4, seed=3, num_threads=0) as second:
        second.set_state(state)
        assert numbers(next(second) for _ in range(6)) == expected


def test_peeking_moves_nothing():
    with loader.create_loader(Numbers(10), double, batch_size=4, seed=1, num_threads=0) as batches:
        next(batches)
        state, ahead = batches.get_state(), batches.peek()
        assert batches.get_state() == state
        np.testing.assert_array_equal(next(batches)["n"], ahead["n"])


def test_processes_keep_the_order():
    assert take(6, num_workers=2) == take(6)


class Drawn(Numbers):
    def sample(self, index, rng):
        return self[index] | {"drawn": rng.integers(1 << 62)}


def test_what_is_drawn_depends_on_the_seed_and_the_epoch():
    drawn = []
    for seed in (0, 1):
        with loader.create_loader(Drawn(6), dict, batch_size=3, seed=seed, shuffle=False) as batches:
            drawn += [number for _ in range(4) for number in next(batches)["drawn"].tolist()]
    assert len(set(drawn)) == 24


def test_a_seed_counts_from_0():
    with pytest.raises(ValueError, match="config.seed=-1 must not be negative"):
        loader.create_loader(Numbers(10), double, batch_size=2, seed=-1)


@pytest.mark.parametrize(
    ("batch_size", "message"),
    [(11, "has 10 samples, fewer than a batch of 11: lower config.batch_size"), (0, "batch_size is 0")],
)
def test_a_wrong_batch_size_is_one_clear_line(batch_size, message):
    with pytest.raises(ValueError, match=message):
        loader.create_loader(Numbers(10), double, batch_size=batch_size, seed=0)


@pytest.mark.parametrize("num_threads", [0, 2])
def test_an_error_of_a_sample_reaches_the_caller(num_threads):
    def failing(sample):
        if sample["n"] == 5:
            raise ValueError("episode 3, frame 5: broken")
        return sample

    options = {"batch_size": 4, "seed": 0, "shuffle": False, "num_threads": num_threads}
    with loader.create_loader(Numbers(10), failing, **options) as batches:
        assert next(batches)["n"].tolist() == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="episode 3, frame 5: broken"):
            next(batches)


@pytest.mark.parametrize("num_threads", [0, 2])
def test_after_an_error_the_same_batch_comes_next(num_threads):
    broken = {5}

    def fragile(row):
        if row["n"] in broken:
            raise OSError("the network is down")
        return row

    with loader.create_loader(
        Numbers(10), fragile, batch_size=2, seed=0, shuffle=False, num_threads=num_threads
    ) as batches:
        assert [next(batches)["n"].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
        for _ in range(2):
            with pytest.raises(OSError, match="the network is down"):
                next(batches)
            assert batches.get_state()["next_batch"] == 2
        broken.clear()
        assert next(batches)["n"].tolist() == [4, 5]


def test_reads_a_recorded_dataset(tmp_path):
    dataset = reader.LeRobotDataset(recording.record(tmp_path / "d"), delta_timestamps={recording.ACTION: [0.0, 0.1]})

    def transform(item):
        return {"image": item[recording.CAMERA], "actions": item[recording.ACTION], "index": item["index"]}

    with loader.create_loader(dataset, transform, batch_size=5, seed=0, num_threads=3) as batches:
        for batch in (next(batches) for _ in range(6)):
            assert batch["image"].shape == (5, 3, recording.HEIGHT, recording.WIDTH)
            for i, n in enumerate(batch["index"]):
                np.testing.assert_array_equal(batch["actions"][i, 0], recording.frame(int(n))[recording.ACTION])
                assert abs(batch["image"][i, 2].mean() - (37 * n) % 256) < 3


def test_decoding_takes_all_processors_and_mapped_memory_one_thread():
    dataset = Numbers(10)
    given = os.sched_getaffinity(0)
    assert loader.automatic_threads(dataset) == len(given)
    os.sched_setaffinity(0, {min(given)})  # as Slurm does: the machine has more than this process may use
    try:
        assert loader.automatic_threads(dataset) == 1
    finally:
        os.sched_setaffinity(0, given)
    dataset.decoded = True
    assert loader.automatic_threads(dataset) == 1
