"""Every transform keeps to the contract, whatever numbers it is given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.normalization.norm_stats import NormStats
from openpi.tokenizers import fast, paligemma, stand_in_codec
from openpi.transforms import (
    actions,
    contract,
    fast_tokens,
    golden_cases,
    normalize,
    padding,
    prompt,
    repack,
    resize_images,
    select_images,
    transform,
)

_WIDTH = 5
_STATS = {
    key: NormStats(
        mean=np.linspace(-1, 1, _WIDTH),
        std=np.linspace(0.1, 3, _WIDTH),
        q01=np.linspace(-2, -1, _WIDTH),
        q99=np.linspace(1, 4, _WIDTH),
    )
    for key in ("state", "actions")
}
_MASK = actions.make_bool_mask(2, -1, 1)
# Those that take numbers with any leading axes.
_NUMERIC = [
    actions.DeltaActions(_MASK),
    actions.AbsoluteActions(_MASK),
    actions.DeltaActions(None),
    normalize.Normalize(_STATS),
    normalize.Normalize(_STATS, use_quantiles=True),
    normalize.Unnormalize(_STATS),
    normalize.Unnormalize(_STATS, use_quantiles=True),
    padding.PadStatesAndActions(8),
    padding.PadStatesAndActions(_WIDTH),
    transform.compose([actions.DeltaActions(_MASK), normalize.Normalize(_STATS), padding.PadStatesAndActions(8)]),
]
_dtypes = st.sampled_from([np.float32, np.float64])


def _numbers(shape, dtype):
    return hnp.arrays(dtype, shape, elements=st.floats(-100, 100, width=32))


@st.composite
def _rows(draw):
    """One to three samples of one chunk length and dtype."""
    dtype, horizon = draw(_dtypes), draw(st.integers(1, 4))
    return [
        {"state": draw(_numbers(_WIDTH, dtype)), "actions": draw(_numbers((horizon, _WIDTH), dtype))}
        for _ in range(draw(st.integers(1, 3)))
    ]


@pytest.mark.parametrize("subject", _NUMERIC, ids=lambda subject: type(subject).__name__)
@settings(deadline=None, max_examples=25)
@given(rows=_rows())
def test_a_batch_is_its_rows_and_nothing_is_written_into(subject, rows):
    contract.check_batch(subject, rows)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (actions.DeltaActions(_MASK), actions.AbsoluteActions(_MASK)),
        (actions.AbsoluteActions(_MASK), actions.DeltaActions(_MASK)),
        (normalize.Normalize(_STATS), normalize.Unnormalize(_STATS)),
        (normalize.Normalize(_STATS, use_quantiles=True), normalize.Unnormalize(_STATS, use_quantiles=True)),
    ],
    ids=["delta", "absolute", "z-score", "quantiles"],
)
@settings(deadline=None)
@given(rows=_rows())
def test_outputs_undo_inputs(there, back, rows):
    for row in rows:
        again = back(there(row))
        for key, value in row.items():
            np.testing.assert_allclose(again[key], value, rtol=1e-5, atol=1e-4)
            assert again[key].shape == value.shape
            assert np.issubdtype(again[key].dtype, np.floating)


@pytest.mark.parametrize("subject", [actions.DeltaActions(_MASK), actions.AbsoluteActions(_MASK)])
@settings(deadline=None, max_examples=25)
@given(rows=_rows())
def test_relative_actions_keep_their_dtype(subject, rows):
    assert subject(rows[0])["actions"].dtype == rows[0]["actions"].dtype


_IMAGE = np.random.default_rng(0).integers(256, size=(6, 9, 3), dtype=np.uint8)
_SAMPLE = {
    "observation/wrist": _IMAGE,
    "observation.state": np.arange(5.0),
    "state": np.linspace(-1, 1, 5),
    "actions": np.linspace(-1, 1, 15).reshape(3, 5),
    "image": {"a": _IMAGE, "b": _IMAGE},
    "image_mask": {"a": np.bool_(True), "b": np.bool_(False)},
    "prompt": "reach",
    "task": "leave",
    "task_index": np.int64(1),
}
_PALIGEMMA = paligemma.PaligemmaTokenizer("small", max_len=40, vocab_size=2000)
_FAST = fast.FastTokenizer("small", stand_in_codec.StandInCodec(), max_len=90, vocab_size=2000)


@pytest.mark.parametrize(
    ("subject", "changed"),
    [
        (repack.Repack({"view": {"wrist": "observation/wrist"}, "state": "observation.state"}), None),
        (prompt.InjectDefaultPrompt("other"), set()),
        (prompt.PromptFromLeRobotTask({1: "lift"}), {"prompt"}),
        (prompt.PromptFromTask({1: "lift"}), {"prompt"}),
        (prompt.TokenizePrompt(_PALIGEMMA, True), {"prompt", "tokenized_prompt", "tokenized_prompt_mask"}),
        (
            fast_tokens.TokenizeFASTInputs(_FAST),
            {"prompt", "tokenized_prompt", "tokenized_prompt_mask", "token_ar_mask", "token_loss_mask"},
        ),
        (fast_tokens.ExtractFASTActions(_FAST, 3, 5), {"actions"}),
        (actions.SubsampleActions(2), {"actions"}),
        (actions.DeltaActions(_MASK), {"actions"}),
        (normalize.Normalize(_STATS), {"actions", "state"}),
        (padding.PadStatesAndActions(8), {"actions", "state"}),
        (resize_images.ResizeImages(4, 4), {"image"}),
        (select_images.SelectImages(("b",)), {"image", "image_mask"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_its_own_keys_change(subject, changed):
    sample = {**_SAMPLE}
    if isinstance(subject, normalize.Normalize):  # seen by paths, a "/" in a key becomes a level
        del sample["observation/wrist"]
    result = contract.check(subject, sample)
    if changed is None:
        assert sorted(result) == ["state", "view"]
        return
    rest = {key: value for key, value in sample.items() if key not in changed}
    golden_cases.assert_equal({key: value for key, value in result.items() if key not in changed}, rest)


def test_the_contract_notices_who_breaks_it():
    def writes(data):
        data["state"][0] = 1
        return data

    def adds(data):
        data["more"] = 1
        return data

    results = iter(range(9))
    for breaks, error in (
        (writes, ValueError),
        (adds, AssertionError),
        (lambda data: {"x": np.asarray(next(results))}, AssertionError),
    ):
        with pytest.raises(error):
            contract.check(breaks, {"state": np.zeros(2)})
    with pytest.raises(AssertionError):
        contract.check_batch(actions.SubsampleActions(2), [{"actions": np.ones((4, 1)) * n} for n in range(3)])
