import pytest

from openpi.tokenizers import fast_codec_files
from openpi.trainer import codec_source, data_source, norm_stats_source, tiny_dataset


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_dataset.record(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture
def fast(root, tmp_path):
    config = tiny_dataset.config(variant="aloha_reach_fast", data__root=str(root))
    config.assets_base_dir = str(tmp_path / "assets")
    return config


def find(config):
    dataset = data_source.open_dataset(config)
    return codec_source.find_or_train(config, dataset, norm_stats_source.load_or_compute(config, dataset))


def test_only_pi0_fast_needs_a_codec(root, tmp_path):
    config = tiny_dataset.config(data__root=str(root), assets_base_dir=str(tmp_path))
    assert find(config) is None


def test_it_is_trained_once_and_found_again(fast, tmp_path):
    folder = find(fast)
    assert folder == tmp_path / "assets/aloha_reach_fast/action_codec"
    codec = fast_codec_files.load(folder)
    assert (codec.time_horizon, codec.action_dim) == (fast.model.action_horizon, 14)
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert find(fast) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written

    fast.model.action_horizon = 3
    with pytest.raises(
        ValueError, match=r"is for 4 x 14 actions, config.model has action_horizon=3.*remove the folder"
    ):
        find(fast)


def test_a_named_codec_is_taken_as_it_is(fast, tmp_path):
    fast.tokenizer.codec = str(find(fast))
    fast.assets_base_dir = str(tmp_path / "other")
    assert str(find(fast)) == fast.tokenizer.codec
    assert not (tmp_path / "other/aloha_reach_fast/action_codec").exists()


def test_actions_of_another_width_than_the_model_decodes_are_told(fast):
    for codec in ("", str(find(fast))):
        fast.tokenizer.codec = codec
        fast.model.action_dim = 32
        with pytest.raises(ValueError, match=r"config.model.action_dim=32, .* have 14 numbers, .*: set it to 14"):
            find(fast)
        fast.model.action_dim = 14


def test_what_cannot_be_trained_is_told(fast):
    stats_only = norm_stats_source.load_or_compute(fast, data_source.open_dataset(fast))
    fast.data.compute_norm_stats = False
    with pytest.raises(FileNotFoundError, match=r"no action codec at .*compute_norm_stats=True, or with .*train_fast"):
        codec_source.find_or_train(fast, data_source.open_dataset(fast), stats_only)
    fast.tokenizer.actions = "binning"
    with pytest.raises(ValueError, match="config.tokenizer.actions='binning' is for inference"):
        find(fast)
