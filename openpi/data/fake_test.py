import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.data import fake

SPEC = {
    "actions": jax.ShapeDtypeStruct((4, 2), jnp.float32),
    "image": {
        "left_wrist_0_rgb": jax.ShapeDtypeStruct((6, 5, 3), jnp.float32),
        "base_0_rgb": jax.ShapeDtypeStruct((6, 5, 3), jnp.float32),
    },
    "image_mask": {
        "left_wrist_0_rgb": jax.ShapeDtypeStruct((), jnp.bool_),
        "base_0_rgb": jax.ShapeDtypeStruct((), jnp.bool_),
    },
    "state": jax.ShapeDtypeStruct((7,), jnp.float32),
    "tokenized_prompt": jax.ShapeDtypeStruct((8,), jnp.int32),
    "tokenized_prompt_mask": jax.ShapeDtypeStruct((8,), jnp.bool_),
}


def test_items_have_the_shapes_and_dtypes_asked_for():
    item = fake.FakeDataset(SPEC)[3]
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), item)
    assert shapes == SPEC
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(item))
    assert item["state"].min() >= -1 and item["state"].max() < 1 and item["tokenized_prompt"].max() < 2048
    assert not item["tokenized_prompt_mask"].any() and not any(item["image_mask"].values())


def test_random_numbers_are_drawn_leaf_by_leaf_in_the_models_order():
    item = fake.FakeDataset(SPEC)[5]
    rng = jax.random.key(5)
    leaves = [
        item["image"]["base_0_rgb"],
        item["image"]["left_wrist_0_rgb"],
        item["image_mask"]["base_0_rgb"],
        item["image_mask"]["left_wrist_0_rgb"],
        item["state"],
        item["tokenized_prompt"],
        item["tokenized_prompt_mask"],
        item["actions"],
    ]
    for leaf in leaves:
        rng, key = jax.random.split(rng)
        if leaf.dtype == np.float32:
            np.testing.assert_array_equal(leaf, jax.random.uniform(key, leaf.shape, minval=-1.0, maxval=1.0))
        elif leaf.dtype == np.int32:
            np.testing.assert_array_equal(leaf, jax.random.randint(key, leaf.shape, 0, 2048))
        else:
            assert not leaf.any()


def test_items_differ_and_repeat():
    dataset = fake.FakeDataset(SPEC, length=3)
    assert len(dataset) == 3
    np.testing.assert_array_equal(dataset[1]["state"], fake.FakeDataset(SPEC)[1]["state"])
    assert not np.array_equal(dataset[1]["state"], dataset[2]["state"])
    with pytest.raises(IndexError):
        dataset[3]


def test_an_unknown_key_is_named():
    with pytest.raises(ValueError, match=r"no model takes \['images'\]; fake data can have image, image_mask"):
        fake.FakeDataset({"images": SPEC["state"]})
