"""The reference has every field, its default and what the schema says of it."""

import pytest

from openpi.config import schema
from openpi.docs import configs_page, page

_SCHEMA = """
def base_config(name):
    return ConfigDict(
        {
            # where it starts: "a" or
            # "b"
            "kind": {"first": 1, "second": 2},
            "keys": (
                "x",
                "y",
            ),  # in order
            "nested": {  # how it is used
                "steps": 3,  # at the most
            },
            "silent": 4,
        }
    )


def pi0_model():
    return ConfigDict({"dtype": "bfloat16"})  # beyond the dict


def lerobot_data():
    return ConfigDict({})


def cosine_schedule():
    return ConfigDict({})
"""


def test_comments_stand_above_at_the_end_or_with_what_they_are_in():
    said = configs_page.meanings(_SCHEMA)
    first = 'where it starts: "a" or "b"'
    assert said["kind"] == said["kind.first"] == said["kind.second"] == first
    assert said["keys"] == "in order"
    assert said["nested"] == "how it is used" and said["nested.steps"] == "at the most"
    assert said["silent"] == ""


def test_every_field_is_in_the_page_once():
    rows = [cells[0].strip("`") for _, cells in page.tables(configs_page.render(configs_page.fields()))]
    assert len(rows) == len(set(rows)) > 90
    config = schema.base_config("any")
    for name in ("batch_size", "data.min_std", "model.siglip", "optimizer.b1", "sampling.replan_steps"):
        assert name in rows
    assert {path.partition(".")[0] for path in rows} == set(config)


@pytest.mark.parametrize(
    ("path", "default", "word"),
    [
        ("batch_size", "`32`", "samples per step"),
        ("model.max_token_len", "`48` (π0.5: `200`, π0-FAST: `250`)", "prompt tokens"),
        ("model.expert", "(π0-FAST: absent)", "size of the action expert"),
        ("weights.kind", "`'none'`", "where training starts"),
    ],
)
def test_a_field_has_its_default_and_meaning(path, default, word):
    shown, meaning = configs_page.fields()[path]
    assert default in shown and word in meaning


def test_bars_and_angles_do_not_break_the_table():
    text = configs_page.render({"a": ("`1`", "x | <y>"), "b.c": ("`2`", "z")})
    assert text.endswith(
        "## config\n\n| field | default | meaning |\n| --- | --- | --- |\n| `a` | `1` | x \\| &lt;y> |\n\n"
        "## config.b\n\n| field | default | meaning |\n| --- | --- | --- |\n| `b.c` | `2` | z |\n"
    )
