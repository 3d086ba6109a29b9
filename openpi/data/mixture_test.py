import collections

import numpy as np
import pytest

from openpi.data import loader, mixture
from openpi.data.lerobot import reader, recording


class Drawn:
    """A dataset whose items hold a number that is drawn."""

    fps, tasks = 10, ("draw",)

    def __init__(self, length):
        self.episodes = mixture.Episodes(np.array([0]), np.array([length]))

    def __len__(self):
        return int(self.episodes.stop[-1])

    def __getitem__(self, index):
        return self.sample(index, np.random.default_rng(index))

    def sample(self, index, rng):
        return {"n": np.int64(index), "drawn": np.int64(rng.integers(1 << 62))}

    def read_tables(self, rows):
        return {"n": np.asarray(rows)}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Two recordings whose task 0 is called differently."""
    roots = [tmp_path_factory.mktemp("data") / name for name in "ab"]
    recording.record(roots[0], (4, 7, 5))
    tasks, recording.TASKS = recording.TASKS, ("open the box",)
    try:
        recording.record(roots[1], (3, 6))
    finally:
        recording.TASKS = tasks
    chunk = {recording.ACTION: [0.0, 0.1, 0.2]}
    keys = [recording.STATE, recording.PNG_CAMERA]
    return [reader.LeRobotDataset(root, delta_timestamps=chunk, keys=keys) for root in roots]


def test_random_access_is_that_of_the_parts(datasets):
    mixed = mixture.Mixture([(datasets[0], 3), (datasets[1], 1)])
    assert [weight for _, weight in mixed.parts] == [0.75, 0.25]
    assert len(mixed) == 25 and mixed.fps == 10 and mixed.tasks == [*recording.TASKS, "open the box"]
    np.testing.assert_array_equal(mixed.episodes.start, [0, 4, 11, 16, 19])
    np.testing.assert_array_equal(mixed.episodes.stop, [4, 11, 16, 19, 25])
    for index, (part, row) in {0: (0, 0), 15: (0, 15), 16: (1, 0), 24: (1, 8)}.items():
        for key, value in datasets[part][row].items():
            np.testing.assert_array_equal(mixed[index][key], value)
    with pytest.raises(IndexError, match="frame 25 of a mixture of 25"):
        mixed[25]


def test_tables_of_many_rows_are_those_of_the_items(datasets):
    mixed = mixture.Mixture([(dataset, 1) for dataset in datasets])
    rows = np.array([24, 0, 16, 15, 3])
    for key, values in mixed.read_tables(rows).items():
        np.testing.assert_array_equal(values, [mixed[row][key] for row in rows])


def test_batches_have_the_weights_and_every_sample_its_own_task(datasets):
    mixed = mixture.Mixture([(datasets[0], 0.75), (datasets[1], 0.25)])
    tasks = collections.Counter()

    def transform(item):
        tasks[item["task"]] += 1
        assert (item["task"] == "open the box") == (item["task"] not in recording.TASKS)
        return {"action": item[recording.ACTION]}

    with loader.create_loader(mixed, transform, batch_size=8, seed=0, num_threads=0) as batches:
        for _ in range(20):
            next(batches)
    assert tasks["open the box"] == 40 and sum(tasks.values()) == 160


def test_what_is_drawn_follows_from_the_position(datasets):
    mixed = mixture.Mixture([(Drawn(5), 1), (Drawn(3), 1)])
    options = {"batch_size": 4, "seed": 3}
    with loader.create_loader(mixed, dict, **options) as batches:
        first = [next(batches) for _ in range(6)]
        state = batches.get_state()
        then = [next(batches) for _ in range(4)]
    drawn = np.concatenate([batch["drawn"] for batch in first])
    assert len(set(drawn.tolist())) == len(drawn)  # a row that comes again is drawn anew
    with loader.create_loader(mixed, dict, **options, num_threads=0, process_index=1, process_count=2) as half:
        half.set_state(state)
        for batch in then:
            np.testing.assert_array_equal(next(half)["drawn"], batch["drawn"][2:])


def test_a_part_that_draws_draws_by_the_generator_given():
    mixed = mixture.Mixture([(Drawn(5), 1)])
    assert mixed.sample(2, np.random.default_rng(7)) == Drawn(5).sample(2, np.random.default_rng(7))


def test_datasets_that_differ_are_refused(datasets, tmp_path):
    other = reader.LeRobotDataset(datasets[0].root, keys=[recording.STATE])
    with pytest.raises(ValueError, match=r"differ in 'action': the first has float32\[3, 3\], number 1 none"):
        mixture.Mixture([(datasets[0], 1), (other, 1)])
    slow = Drawn(3)
    slow.fps = 5
    with pytest.raises(ValueError, match="the first is of 10 fps, number 1 of 5"):
        mixture.Mixture([(Drawn(3), 1), (slow, 1)])


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, float("nan")]])
def test_weights_are_checked(weights):
    with pytest.raises(ValueError, match="at least one dataset|a weight is"):
        mixture.Mixture([(Drawn(3), weight) for weight in weights])


def test_where_samples_come_from(datasets):
    mixed = mixture.Mixture([(datasets[0], 3), (datasets[1], 1)])
    with loader.create_loader(mixed, dict_without_text, batch_size=8, seed=1) as batches:
        next(batches)
        batch, origins = batches.last(batches.get_state())
    assert sum(origin.dataset for origin in origins) == 2
    assert [origin.episode for origin in origins] == batch["episode_index"].tolist()
    assert [origin.frame for origin in origins] == batch["frame_index"].tolist()


def dict_without_text(item):
    return {key: item[key] for key in ("episode_index", "frame_index")}
