"""Validation of a network of almost no size, on a dataset of six episodes."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from openpi.data import mixture
from openpi.models import model as model_lib
from openpi.models import observation
from openpi.trainer import setup, sharding, tiny_dataset, training_data, validation, validation_data

HELD_OUT = (1, 2)


@pytest.fixture(scope="module", autouse=True)
def cwd(tmp_path_factory):
    """Where the dataset lies."""
    directory = tmp_path_factory.mktemp("home")
    tiny_dataset.record(directory / "datasets" / "openpi" / "aloha_reach")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENPI_DATA_HOME", str(directory))
        patch.chdir(directory)
        yield directory


def prepare(folder, **settings):
    """(configuration, its data, its validation, its state)."""
    settings = {"validation__episodes": HELD_OUT, "validation__interval": 2, "validation__num_frames": 6} | settings
    config = tiny_dataset.config(**settings)
    parts = setup.build(config, sharding.make_mesh(1, config.batch_size))
    data = training_data.open_data(config)
    abstract = setup.abstract_state(parts)
    state = setup.init_state(parts, abstract, jax.random.key(0), {})
    return config, data, validation.build(config, parts, abstract.params, data.held_out, folder), state


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("run"), validation__open_loop_episodes=1)


def test_what_is_held_out_is_not_trained_on(prepared):
    _, data, _, _ = prepared
    episodes = lambda dataset: {int(dataset[row]["episode_index"]) for row in range(len(dataset))}
    assert episodes(data.held_out.dataset) == set(HELD_OUT)
    assert episodes(data.dataset) == {0}
    whole = training_data.open_data(tiny_dataset.config())
    assert whole.held_out is None and len(whole.dataset) == tiny_dataset.EPISODES * tiny_dataset.LENGTH
    assert whole.assets == data.assets  # statistics of all episodes


def test_equal_weights_give_equal_figures(prepared):
    validate, state = dataclasses.replace(prepared[2], rolls=()), prepared[3]
    before = jax.tree.map(np.array, state)
    first, second = validate(2, state), validate(4, state)
    assert first == second and len(first.metrics) == 2 * (6 + 14)
    assert validate(1, state) is None and validate(0, state) is None  # not due
    jax.tree.map(np.testing.assert_array_equal, state, before)
    other = state.replace(ema_params=jax.tree.map(lambda leaf: leaf * 1.1, state.ema_params))
    changed = validate(2, other)
    for metric in ("loss", "relative_error", "error/left_waist"):
        assert first.metrics[f"validation/raw/{metric}"] == first.metrics[f"validation/ema/{metric}"]
        assert changed.metrics[f"validation/raw/{metric}"] == first.metrics[f"validation/raw/{metric}"]
        assert changed.metrics[f"validation/ema/{metric}"] != first.metrics[f"validation/ema/{metric}"]
    assert changed.score == changed.metrics["validation/ema/loss"]


def test_files_of_a_validation(prepared):
    config, _, validate, state = prepared
    result = validate(config.num_train_steps - 1, state)
    assert validate.folder.name == "validation"
    content = json.loads((validate.folder / "3.json").read_text())
    assert (content["step"], content["frames"], content["episodes"]) == (3, 6, list(HELD_OUT))
    ema = content["weights"]["ema"]
    assert ema["loss"]["mean"] == result.score and ema["loss"]["low"] < result.score < ema["loss"]["high"]
    assert len(ema["steps"]) == 4 and next(iter(ema["joints"])) == "left_waist" and np.shape(ema["table"]) == (4, 14)
    with PIL.Image.open(validate.folder / "3_episode_1.png") as picture:
        assert picture.format == "PNG"
    assert not (validate.folder / "3_episode_2.png").exists()


def test_files_that_cannot_be_written_do_not_end_training(prepared, tmp_path, caplog):
    validate, state = prepared[2], prepared[3]
    elsewhere = dataclasses.replace(validate, folder=tmp_path / "gone" / "validation", rolls=())
    assert elsewhere(2, state) == dataclasses.replace(validate, rolls=())(2, state)
    assert "files of the validation after step 2" in caplog.text


def test_the_loss_is_that_of_training_without_augmentation(prepared):
    """Up to noise: the same expectation, which many draws approach."""
    config, data, validate, state = prepared
    frames = validate.frames
    losses, _ = validate.predict(state.params, frames)
    assert losses.shape == (6,)
    batch = jax.tree.map(jnp.asarray, {key: value for key, value in frames.inputs.items() if key != "asked"})
    model = setup.build(config, sharding.make_mesh(1, config.batch_size)).model
    loss = functools.partial(model_lib.compute_loss, num_draws=64)
    expected = jax.jit(loss, static_argnums=0)(
        model, state.params, jax.random.key(7), observation.Observation.from_dict(batch), batch["actions"]
    )
    np.testing.assert_allclose(losses.mean(), expected.mean(), rtol=0.1)
    learned = data.transform(data.held_out.dataset[0])
    assert frames.inputs.keys() == learned.keys() | {"asked"}
    np.testing.assert_array_equal(frames.inputs["asked"]["tokenized_prompt"], frames.inputs["tokenized_prompt"])


def test_actions_are_in_the_robots_units(prepared):
    """A model that answered with what it is to learn would answer with what was recorded."""
    _, data, validate, _ = prepared
    frames = validate.frames
    for state, actions, recorded in zip(frames.state, frames.inputs["actions"], frames.recorded, strict=True):
        answer = data.held_out.answer({"state": state, "actions": actions})["actions"]
        np.testing.assert_allclose(answer, recorded, atol=1e-4)
    np.testing.assert_array_equal(frames.valid.sum(axis=1), np.minimum(4, 6 - np.array([1, 3, 5] * 2)))


def test_pi0_fast_is_asked_without_the_actions_that_it_learns(tmp_path):
    settings = {"sampling__max_decoding_steps": 4, "ema_decay": 0.0, "validation__num_frames": 2}
    _, _, validate, state = prepare(tmp_path, variant="aloha_reach_fast", **settings)
    inputs = validate.frames.inputs
    lengths = inputs["tokenized_prompt_mask"].sum(axis=1), inputs["asked"]["tokenized_prompt_mask"].sum(axis=1)
    assert np.all(lengths[0] > lengths[1]) and np.all(lengths[1] > 5)
    result = validate(2, state)
    assert result.score == result.metrics["validation/raw/loss"] == pytest.approx(np.log(2000), rel=0.2)
    assert not any(name.startswith("validation/ema") for name in result.metrics)


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (1, [5]),
        (3, [5, 11, 14]),
        (6, [2, 7, 10, 11, 13, 15]),
        (1000, list(range(16))),
    ],
)
def test_frames_are_spread_over_episodes(count, rows):
    episodes = mixture.Episodes(np.array([0, 10, 12]), np.array([10, 12, 16]))
    found = validation_data.spread(episodes, count)
    assert found.tolist() == rows
