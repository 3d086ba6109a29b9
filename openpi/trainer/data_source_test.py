import concurrent.futures
import shutil
import time

import numpy as np
import pytest

from openpi.config import build_transforms
from openpi.data import loader
from openpi.sims.aloha import tasks
from openpi.trainer import data_source, lerobot_source, tiny_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two recordings, with images that have to be made larger and smaller."""
    home = tmp_path_factory.mktemp("home")
    tiny_dataset.record(home / "datasets" / "openpi" / "aloha_reach")
    tiny_dataset.record(home / "other")
    return home


@pytest.fixture(autouse=True)
def data_home(home, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(home))
    monkeypatch.setenv("OPENPI_OFFLINE", "1")
    return home


def batches(count=6, **settings):
    config = tiny_dataset.config(**settings)
    dataset = data_source.open_dataset(config)
    road = build_transforms.build(config).training(None, data_source.tasks(config, dataset))
    with loader.create_loader(dataset, road, batch_size=4, seed=0) as opened:
        return [next(opened) for _ in range(count)]


@pytest.mark.parametrize("size", [28, 84])
@pytest.mark.parametrize("cache", ["frames", "auto"])
def test_what_the_model_gets_is_the_same_with_a_cache(home, size, cache):
    shutil.rmtree(home / "frames", ignore_errors=True)
    size = {"model__image_size": size, "model__siglip__patch_size": 14}
    for plain, cached in zip(batches(**size), batches(**size, data__cache=cache), strict=True):
        assert plain.keys() == cached.keys()
        np.testing.assert_array_equal(cached["image"]["base_0_rgb"], plain["image"]["base_0_rgb"])
        np.testing.assert_array_equal(cached["actions"], plain["actions"])
    assert list((home / "frames").rglob("*.npy"))


def test_a_mixture_is_drawn_from_by_weight(home):
    entries = ({"repo_id": "openpi/aloha_reach", "weight": 3.0}, {"root": str(home / "other"), "weight": 1.0})
    dataset = data_source.open_dataset(tiny_dataset.config(data__mixture=entries))
    assert [(len(part), weight) for part, weight in dataset.parts] == [(18, 0.75), (18, 0.25)]
    assert [part.root.name for part, _ in dataset.parts] == ["aloha_reach", "other"]
    assert len(batches(data__mixture=entries)) == 6


def test_the_simulated_tasks_are_recorded_with_their_prompts(home):
    settings = {"data__generator": "aloha_tasks", "data__generator_episodes": 3, "data__repo_id": "made/tasks"}
    config = tiny_dataset.config("aloha_tasks", **settings)
    dataset = data_source.open_dataset(config)
    assert len(dataset) == sum(task.demonstration_steps for task in tasks.TASKS.values())
    for prompt, task in zip(dataset.tasks, tasks.TASKS.values(), strict=True):
        assert prompt in task.prompts
    assert dict(enumerate(dataset.tasks)) == data_source.tasks(config, dataset)


def test_of_several_processes_one_records(home, monkeypatch):
    recordings = []

    def record(root, data):
        recordings.append(root)
        time.sleep(0.2)
        tiny_dataset.record(root)

    monkeypatch.setitem(lerobot_source._GENERATORS, "aloha_reach", record)
    settings = {"data__generator": "aloha_reach", "data__generator_episodes": 3, "data__repo_id": "made/here"}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        opened = list(pool.map(lambda _: data_source.open_dataset(tiny_dataset.config(**settings)), range(3)))
    assert [len(dataset) for dataset in opened] == [18] * 3
    assert recordings == [home / "datasets" / "made" / "here"]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"data__repo_id": ""}, ValueError, "config.data.repo_id is empty"),
        ({"data__repo_id": "nobody/nothing"}, FileNotFoundError, "nobody/nothing"),
        ({"data__repo_id": "openpi/aloha_reach", "data__revision": "v9"}, FileNotFoundError, "aloha_reach"),
        ({"data__root": "nowhere"}, FileNotFoundError, "no LeRobot dataset at .*nowhere"),
        (
            {"data__mixture": ({"root": "nowhere", "weight": 1.0},)},
            FileNotFoundError,
            "no LeRobot dataset at .*nowhere",
        ),
        ({"data__kind": "fake"}, ValueError, "config.data.kind is 'fake', which has no dataset"),
        ({"data__cache": "frames", "data__cache_max_gib": 1e-9}, ValueError, "config.data.cache_max_gib=1e-09 allows"),
    ],
)
def test_what_is_missing_is_told(settings, error, words):
    with pytest.raises(error, match=words) as caught:
        data_source.open_dataset(tiny_dataset.config(**settings))
    assert "\n" not in str(caught.value)
