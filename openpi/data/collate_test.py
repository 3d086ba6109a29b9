import numpy as np
import pytest

from openpi.data import collate


def test_every_leaf_is_stacked_and_keeps_its_dtype():
    samples = [
        {"image": {"a": np.full((2, 3), n, np.uint8)}, "mask": np.True_, "state": np.array([n], np.float32), "n": n}
        for n in range(3)
    ]
    batch = collate.collate(samples, 3)
    np.testing.assert_array_equal(batch["image"]["a"][:, 0, 0], [0, 1, 2])
    assert batch["image"]["a"].shape == (3, 2, 3) and batch["image"]["a"].dtype == np.uint8
    assert batch["mask"].dtype == np.bool_ and batch["state"].dtype == np.float32
    np.testing.assert_array_equal(batch["n"], [0, 1, 2])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a": {"x": np.zeros(3)}}, r"differ at 'a/x': one is float64 \[2\], one float64 \[3\]"),
        ({"a": {"x": np.zeros(2, np.float32)}}, r"differ at 'a/x': one is float64 \[2\], one float32 \[2\]"),
        ({"a": {"y": np.zeros(2)}}, r"differ at a: one has \['x'\], one \['y'\]"),
        ({"a": np.zeros(2)}, r"differ at a: one has \['x'\], one ndarray"),
        ({"b": 0}, r"differ at the top: one has \['a'\], one \['b'\]"),
    ],
)
def test_samples_that_differ_are_named(other, message):
    with pytest.raises(ValueError, match=message):
        collate.collate([{"a": {"x": np.zeros(2)}}, other], 2)


@pytest.mark.parametrize("text", ["a prompt", np.array("a prompt"), b"bytes", None])
def test_text_is_refused(text):
    with pytest.raises(ValueError, match="'prompt' is .*: a transform has to tokenize or drop it"):
        collate.collate([{"prompt": text}] * 2, 2)


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_has_as_many_samples_as_it_says(size):
    with pytest.raises(ValueError, match="argument 2 is (longer|shorter) than argument 1"):
        collate.collate([{"x": 1}, {"x": 2}], size)
