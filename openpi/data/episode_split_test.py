import pickle

import numpy as np
import pytest

from openpi.data import episode_split, loader, mixture
from openpi.data.lerobot import reader, recording

LENGTHS = (4, 7, 5, 3)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("data") / "d", LENGTHS)


def opened(root):
    chunk = {recording.ACTION: [0.0, 0.1, 0.2]}
    return reader.LeRobotDataset(root, delta_timestamps=chunk, keys=[recording.STATE, recording.PNG_CAMERA])


class Numbered:
    """Episodes of one frame; those in `skipped` were left out of the recording."""

    fps, tasks = 10, ("draw",)

    def __init__(self, count, skipped=()):
        self.skipped = dict.fromkeys(skipped, "damaged")
        rows = np.arange(count - len(skipped))
        self.episodes = mixture.Episodes(rows, rows + 1)

    def __len__(self):
        return len(self.episodes.stop)

    def __getitem__(self, index):
        return {"n": np.int64(index)}

    def sample(self, index, rng):
        return {"n": np.int64(index), "drawn": rng.integers(1 << 62)}

    def read_tables(self, rows):
        return {"n": np.asarray(rows)}


def test_a_subset_is_the_rows_of_its_episodes(root):
    whole = opened(root)
    part = pickle.loads(pickle.dumps(episode_split.EpisodeSubset(whole, [1, 3])))
    rows = [*range(4, 11), *range(16, 19)]
    assert len(part) == 10 and (part.fps, part.decoded, list(part.tasks)) == (10, False, list(whole.tasks))
    np.testing.assert_array_equal(part.episodes.start, [0, 7])
    np.testing.assert_array_equal(part.episodes.stop, [7, 10])
    for index, row in enumerate(rows):
        for key, value in whole[row].items():
            np.testing.assert_array_equal(part[index][key], value)
    tables = part.read_tables(np.array([9, 0, 6]))
    for key, values in whole.read_tables(np.array([18, 4, 10])).items():
        np.testing.assert_array_equal(tables[key], values)
    for index in (-1, 10):
        with pytest.raises(IndexError):
            part[index]
        with pytest.raises(IndexError):
            part.read_tables(np.array([index]))


def test_what_is_drawn_stays_drawn():
    part = episode_split.EpisodeSubset(Numbered(5), [2, 4])
    draw = lambda seed: part.sample(1, np.random.default_rng(seed))
    assert draw(1) == Numbered(5).sample(4, np.random.default_rng(1)) != draw(2)


@pytest.mark.parametrize("places", [[], [2, 1], [1, 1], [-1], [4]])
def test_places_that_are_none(root, places):
    with pytest.raises(ValueError, match="must be ascending, at least one, and below 4"):
        episode_split.EpisodeSubset(opened(root), places)


@pytest.mark.parametrize(("share", "held"), [(0.01, 1), (0.25, 5), (0.5, 10), (0.999, 19)])
def test_a_share_of_the_episodes_is_held_out(share, held):
    train, held_out = episode_split.split(Numbered(20), share=share, seed=3)
    assert len(held_out.places) == held
    assert sorted([*train.places, *held_out.places]) == list(range(20))


def test_the_choice_follows_from_the_seed_and_stays_when_an_episode_is_left_out():
    chosen = lambda seed, skipped=(): set(
        episode_split.numbers(episode_split.split(Numbered(40, skipped), share=0.2, seed=seed)[1]).tolist()
    )
    assert chosen(1) == chosen(1) != chosen(2)
    left = next(number for number in range(40) if number not in chosen(1))
    assert chosen(1, (left,)) == chosen(1)


def test_episodes_by_their_numbers():
    train, held_out = episode_split.split(Numbered(6, skipped=(1,)), episodes=(0, 3))
    np.testing.assert_array_equal(held_out.places, [0, 2])
    np.testing.assert_array_equal(episode_split.numbers(held_out), [0, 3])
    np.testing.assert_array_equal(episode_split.numbers(train), [2, 4, 5])


@pytest.mark.parametrize(
    ("dataset", "choice", "words"),
    [
        (Numbered(6, skipped=(1,)), {"episodes": (1,)}, "names episode 1, and the dataset has 5, up to 5"),
        (Numbered(3), {"episodes": (0, 1, 2)}, "of the dataset's 3 it would hold out 3"),
        (Numbered(1), {"share": 0.5}, "of the dataset's 1 it would hold out 0"),
        (mixture.Mixture([(Numbered(3), 1), (Numbered(3), 1)]), {"episodes": (0,)}, "are numbers of one dataset"),
    ],
)
def test_what_cannot_be_held_out(dataset, choice, words):
    with pytest.raises(ValueError, match=words):
        episode_split.split(dataset, **choice)


def test_a_mixture_is_split_dataset_by_dataset():
    train, held_out = episode_split.split(mixture.Mixture([(Numbered(10), 3), (Numbered(20), 1)]), share=0.2)
    assert [(len(part), weight) for part, weight in held_out.parts] == [(2, 0.75), (4, 0.25)]
    assert [(len(part), weight) for part, weight in train.parts] == [(8, 0.75), (16, 0.25)]


def test_the_loader_reads_training_episodes_alone(root):
    train, held_out = episode_split.split(opened(root), share=0.5)
    keep = lambda row: {"episode": row["episode_index"]}
    with loader.create_loader(train, keep, batch_size=len(train), seed=0, num_threads=0) as batches:
        seen = set(next(batches)["episode"].tolist())
    assert seen == set(episode_split.numbers(train).tolist())
    assert seen.isdisjoint(episode_split.numbers(held_out).tolist())
