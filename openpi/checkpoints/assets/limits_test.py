import dataclasses

import pytest

from openpi.checkpoints.assets import limits


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(limits.Limits)])
def test_positive(field):
    assert getattr(limits.Limits(**{field: 1}), field) == 1
    for bad in (0, -1):
        with pytest.raises(ValueError, match=f"limits.{field} is {bad}"):
            limits.Limits(**{field: bad})
