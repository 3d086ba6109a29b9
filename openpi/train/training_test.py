"""Training in this process, on a dataset of 18 frames."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import traverse_util

from openpi.checkpoints import layout, restore
from openpi.policies import create, tiny_checkpoint
from openpi.train import training
from openpi.trainer import metrics_writer, tiny_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where the dataset lies and compiled programs are kept."""
    directory = tmp_path_factory.mktemp("home")
    tiny_dataset.record(directory / "datasets" / "openpi" / "aloha_reach")
    return directory


@pytest.fixture(autouse=True)
def cwd(home, tmp_path, monkeypatch):
    """The folder that the user stands in: empty for every test."""
    monkeypatch.setenv("OPENPI_DATA_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(**settings):
    """Trains, and returns the run's folder."""
    config = tiny_dataset.config(**settings)
    assert training.train(config) == 0
    return layout.run_dir(config.checkpoint_base_dir, config.name, config.exp_name)


def read(step_dir, item):
    """An item of a checkpoint as it is on disk: path -> array."""
    tree = ocp.PyTreeCheckpointHandler().restore(step_dir / item, args=ocp.args.PyTreeRestore())
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def test_resuming_gives_what_an_unbroken_run_gives(capsys):
    unbroken = train(exp_name="unbroken", log_interval=2)
    train(exp_name="broken", log_interval=2, num_train_steps=2)
    broken = train(exp_name="broken", log_interval=2, resume=True)
    assert layout.complete_steps(broken) == [3]  # the older one is gone
    for item in ("params", "train_state"):
        want, got = read(unbroken / "3", item), read(broken / "3", item)
        assert want.keys() == got.keys()
        for path in want:
            np.testing.assert_array_equal(got[path], want[path], err_msg=path)
    assert (broken / "3/data_iterator/state.json").read_text() == (unbroken / "3/data_iterator/state.json").read_text()
    last = [metrics_writer.read(run)[-1] for run in (unbroken, broken)]
    assert [line["step"] for line in last] == [3, 3]
    assert last[0]["loss"] != metrics_writer.read(unbroken)[0]["loss"]

    before = snapshot(broken / "3")
    capsys.readouterr()
    train(exp_name="broken", resume=True)
    assert "nothing to do" in capsys.readouterr().out
    assert snapshot(broken / "3") == before


def test_pi0_fast_trains_a_codec_and_itself_and_its_checkpoint_is_served_alone(cwd):
    run = train(variant="aloha_reach_fast", num_train_steps=2, sampling__max_decoding_steps=8)
    losses = [line["loss"] for line in metrics_writer.read(run)]
    assert losses[0] == pytest.approx(np.log(2000), rel=0.2)  # a model that knows nothing of 2000 pieces
    assert losses[1] != losses[0]
    shutil.rmtree(cwd / "assets")  # the checkpoint needs nothing beside it
    policy = create.create_policy(None, run)
    result = policy.infer(tiny_checkpoint.observation())
    assert result["actions"].shape == (4, 14)
    assert np.isfinite(result["actions"]).all()
    drawn = [policy.infer({**tiny_checkpoint.observation(), "openpi": {"temperature": 9.0}}) for _ in range(2)]
    assert all(np.isfinite(each["actions"]).all() for each in drawn)
    with pytest.raises(
        ValueError, match="pi0_fast draws tokens: it takes a temperature, but neither num_steps, noise, rtc nor"
    ):
        policy.infer({**tiny_checkpoint.observation(), "openpi": {"num_steps": 3}})


@pytest.fixture
def events():
    """What jax's compiler tells: names of events."""
    told = []
    listen = lambda event, *_, **__: told.append(event)
    jax.monitoring.register_event_listener(listen)
    jax.monitoring.register_event_duration_secs_listener(listen)
    least = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    yield told
    jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
    jax.monitoring.unregister_event_listener(listen)
    jax.monitoring.unregister_event_duration_listener(listen)


def test_compiles_once(events):
    settings = {"data__kind": "fake", "log_interval": 2}
    jax.clear_caches()  # what earlier tests compiled is not on disk
    train(exp_name="first", num_train_steps=2, **settings)
    counts = []
    for steps in (2, 12):
        events.clear()
        train(exp_name=f"of_{steps}", num_train_steps=steps, **settings)
        counts.append(events.count("/jax/core/compile/backend_compile_duration"))
    assert counts[0] == counts[1] > 0

    jax.clear_caches()  # as a new process
    events.clear()
    train(exp_name="of_2", num_train_steps=4, resume=True, **settings)
    assert events.count("/jax/compilation_cache/cache_hits") > 0
    assert events.count("/jax/compilation_cache/cache_misses") == 0


def test_random_inputs_need_no_dataset(cwd):
    run = train(data__kind="fake", num_train_steps=2)
    assert [line["step"] for line in metrics_writer.read(run)] == [0, 1]
    assert sorted(entry.name for entry in cwd.iterdir()) == ["checkpoints"]
    with pytest.raises(ValueError, match="had config.batch_size=4, and now it is 2: going on would repeat"):
        train(data__kind="fake", resume=True, batch_size=2)


def test_the_seed_decides_everything():
    runs = [train(exp_name=name, seed=seed, num_train_steps=1) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    kernels = [restore.restore_params(run)["action_in_proj"]["kernel"] for run in runs]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_starts_from_weights_and_leaves_frozen_ones_alone():
    base = train(exp_name="base", num_train_steps=2)
    first = flat(restore.restore_params(base))
    tuned = train(
        exp_name="tuned",
        weights__kind="checkpoint",
        weights__path=str(base),
        model__language__lora_rank=2,
        model__language__lora_alpha=2.0,
        freeze="(?!.*lora)(?!.*llm.*_1).*llm.*",
        ema_decay=0.0,
        num_train_steps=1,
        lr_schedule__peak_lr=1e-6,
    )
    result = flat(restore.restore_params(tuned))
    frozen = {path for path, leaf in result.items() if leaf.dtype == jnp.bfloat16}
    assert "PaliGemma/llm/layers/attn/q_einsum/w" in frozen
    assert not any("lora" in path or "_1" in path or "img" in path for path in frozen)
    for path, leaf in result.items():
        if path in frozen:
            np.testing.assert_array_equal(leaf, first[path].astype(jnp.bfloat16))
        elif path in first:
            np.testing.assert_allclose(leaf, first[path], atol=1e-5, err_msg=path)
    assert {path for path in result if path not in first} == {path for path in result if "lora" in path}
    assert not np.array_equal(result["state_proj/kernel"], first["state_proj/kernel"])


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


def test_an_existing_run_is_safe():
    run = train(num_train_steps=1)
    before = snapshot(run)
    with pytest.raises(FileExistsError, match=r"--config\.resume.*--config\.overwrite"):
        train(num_train_steps=1)
    with pytest.raises(ValueError, match="choose one"):
        train(num_train_steps=1, overwrite=True, resume=True)
    # An error that can be seen early comes before anything is deleted.
    with pytest.raises(FileNotFoundError, match="no such folder"):
        train(overwrite=True, weights__kind="checkpoint", weights__path="nowhere")
    (run / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        train(num_train_steps=1, overwrite=True)
    (run / "notes.txt").unlink()
    assert snapshot(run) == before
    train(num_train_steps=1, overwrite=True)
    assert snapshot(run).keys() != before.keys()  # other random names
    with pytest.raises(ValueError, match=r"config\.model\.expert\.width was 16 and is 8; set them back"):
        train(resume=True, model__expert__width=8)
    assert layout.complete_steps(run) == [0]


def test_a_run_goes_on_only_as_it_began(home, tmp_path):
    run = train(num_train_steps=1)
    before = snapshot(run)
    stats = tmp_path / "assets/aloha_reach/openpi/aloha_reach/norm_stats.json"
    for settings, words in (
        ({"lr_schedule__peak_lr": 1e-3}, "config.lr_schedule.peak_lr was .* and is 0.001"),
        ({"ema_decay": 0.5}, "config.ema_decay was 0.99 and is 0.5"),
        ({"seed": 3}, "had config.seed=42, and now it is 3"),
        ({"data__root": str(other_dataset(tmp_path))}, "the dataset has changed"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            train(resume=True, **settings)
        assert "\n" not in str(error.value)
    text = stats.read_text()
    stats.write_text(text.replace("0", "1", 1))
    with pytest.raises(ValueError, match=r"norm_stats\.json is not what it was trained with"):
        train(resume=True)
    stats.write_text(text)
    assert snapshot(run) == before
    train(resume=True, num_workers=0, keep_latest=2, data__cache_max_gib=1.0)
    assert layout.complete_steps(run) == [0, 3]


def other_dataset(folder):
    """Another recording of that name."""
    root = folder / "aloha_reach"
    if not root.exists():
        tiny_dataset.record(root, episodes=4)
    return root


def test_a_batch_that_is_too_much_is_told_kept_and_skipped(caplog):
    settings = {"num_train_steps": 40, "divergence_factor": 1.1, "max_skipped_steps": 40}
    run = train(on_divergence="skip", **settings)
    lines = metrics_writer.read(run)
    skipped = [line["step"] for line in lines if line["skipped"]]
    assert skipped and min(skipped) > 16
    assert all(line["loss"] is None for line in lines if line["skipped"])
    told = [message for message in caplog.messages if message.startswith("skipped: step")]
    assert len(told) == len(skipped)
    assert f"skipped: step {skipped[0]}: " in told[0] and "its batch is of episode " in told[0]
    with np.load(run / "bad_batches" / f"{skipped[0]}.npz", allow_pickle=False) as batch:
        assert batch["image/base_0_rgb"].shape == (4, 56, 56, 3)
        assert f"episode {batch['origin/episode'][0]} frame" in told[0]
    assert sorted(int(file.stem) for file in (run / "bad_batches").iterdir()) == skipped

    with pytest.raises(
        RuntimeError, match=r"training diverged: step \d+: .* its batch is of episode .* saved in .*\.npz"
    ):
        train(exp_name="stops", **settings)


def test_a_learning_rate_that_is_too_high_stops():
    with pytest.raises(RuntimeError, match=r"step \d: (loss|grad_norm) is (nan|inf)") as error:
        train(lr_schedule__peak_lr=1e30, num_train_steps=10)
    assert "\n" not in str(error.value)


def snapshot(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"data__repo_id": ""}, ["config.data.repo_id is empty"]),
        ({"data__action_sequence_keys": ("actoin",)}, ["action_sequence_keys[0] is 'actoin'", "it has: "]),
        ({"data__assets_dir": "gs://bucket/assets"}, ["gs://bucket/assets", "offline"]),
        ({"weights__kind": "checkpoint", "weights__path": "gs://b/params"}, ["gs://b/params", "offline"]),
        ({"batch_size": 64}, ["18 samples", "config.batch_size"]),
        ({"freeze": "("}, ["config.freeze='('"]),
        ({"freeze": ".*"}, ["nothing is left to train"]),
        ({"freeze": "llm"}, ["config.freeze='llm' matches none of the", "PaliGemma/"]),
        ({"lr_schedule__decay_steps": 1}, ["config.lr_schedule.decay_steps=1"]),
        ({"fsdp_devices": 3}, ["config.fsdp_devices=3"]),
        ({"data__generator": "aloha_reach", "data__generator_episodes": 7}, ["3 episodes", "generator_episodes is 7"]),
        ({"model__image_keys": ("left_wrist_0_rgb", "nose_rgb")}, ["nose_rgb"]),
        ({"model__action_dim": 7}, ["14", "7"]),
    ],
)
def test_bad_input_is_one_line_and_starts_no_run(cwd, settings, words, monkeypatch):
    monkeypatch.setenv("OPENPI_OFFLINE", "1")
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        train(**settings)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)
    assert not (cwd / "checkpoints").exists()


def test_a_state_of_the_wrong_width(cwd):
    tiny_dataset.record(cwd / "data", joints=13)
    with pytest.raises(ValueError, match="13"):
        train(data__root=str(cwd / "data"))
    assert sorted(entry.name for entry in cwd.iterdir()) == ["data"]
