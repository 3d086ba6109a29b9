import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.normalization.norm_stats import NormStats
from openpi.transforms import golden_cases, normalize

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"


@pytest.mark.parametrize("name", ["Normalize", "Unnormalize"])
def test_golden(name):
    for case in golden_cases.load(_DIRECTORY, name):
        stats = case.args["norm_stats"]
        if stats is not None:
            stats = {
                key: NormStats(**{field: None if value is None else np.array(value) for field, value in entry.items()})
                for key, entry in stats.items()
            }
        golden_cases.run(
            case, lambda case=case, stats=stats: getattr(normalize, name)(**{**case.args, "norm_stats": stats})
        )


_numbers = st.floats(-1e3, 1e3)


@settings(deadline=None)
@given(
    x=hnp.arrays(np.float64, (2, 6), elements=_numbers),
    mean=hnp.arrays(np.float64, 4, elements=_numbers),
    spread=hnp.arrays(np.float64, 4, elements=st.floats(1e-3, 1e3)),
    use_quantiles=st.booleans(),
)
def test_unnormalize_undoes_normalize(x, mean, spread, use_quantiles):
    stats = {"actions": NormStats(mean=mean, std=spread, q01=mean - spread, q99=mean + spread)}
    normal = normalize.Normalize(stats, use_quantiles)({"actions": x[:, :4]})["actions"]
    padded = np.concatenate([normal, x[:, 4:]], axis=-1)
    back = normalize.Unnormalize(stats, use_quantiles)({"actions": padded})["actions"]
    np.testing.assert_allclose(back, x, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("stats", [None, {}])
@pytest.mark.parametrize("transform", [normalize.Normalize, normalize.Unnormalize])
def test_no_statistics_change_nothing(transform, stats):
    sample = {"state": np.ones(3)}
    assert transform(stats)(sample) is sample


@pytest.mark.parametrize("transform", [normalize.Normalize, normalize.Unnormalize])
def test_quantiles_must_be_there_at_construction(transform):
    for some in ({}, {"q01": np.zeros(2)}, {"q99": np.ones(2)}):
        with pytest.raises(ValueError, match="'state' have no quantiles"):
            transform({"state": NormStats(mean=np.zeros(2), std=np.ones(2), **some)}, use_quantiles=True)


def test_a_key_without_data_is_left_alone_unless_strict():
    stats = {key: NormStats(mean=np.ones(1), std=np.ones(1)) for key in ("state", "actions")}
    assert list(normalize.Normalize(stats)({"state": np.ones(1)})) == ["state"]
    for subject in (normalize.Normalize(stats, strict=True), normalize.Unnormalize(stats)):
        with pytest.raises(ValueError, match="key 'actions' is not in the sample"):
            subject({"state": np.ones(1)})


@pytest.mark.parametrize(("transform", "width"), [(normalize.Normalize, 3), (normalize.Unnormalize, 1)])
def test_wrong_width_names_the_key_and_both_widths(transform, width):
    stats = {"state": NormStats(mean=np.zeros(2), std=np.ones(2))}
    with pytest.raises(ValueError, match=f"'state' has {width} dims.* 2"):
        transform(stats)({"state": np.zeros(width)})
