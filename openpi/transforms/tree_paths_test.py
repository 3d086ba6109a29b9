import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpi.transforms import tree_paths

_GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "helpers.json").read_text())

_names = st.text("abc.", min_size=1, max_size=3)
_trees = st.recursive(
    st.integers(), lambda child: st.dictionaries(_names, child, min_size=1, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def test_flatten_golden():
    case = _GOLDEN["flatten_dict"]
    assert tree_paths.flatten_dict(case["in"]) == case["out"]
    assert tree_paths.unflatten_dict(case["out"]) == case["in"]


@settings(deadline=None)
@given(_trees)
def test_unflatten_undoes_flatten(tree):
    assert tree_paths.unflatten_dict(tree_paths.flatten_dict(tree)) == tree


def test_slashes_in_keys_become_levels_and_empty_dicts_vanish():
    flat = tree_paths.flatten_dict({"a/b": 1, "c": {}})
    assert tree_paths.unflatten_dict(flat) == {"a": {"b": 1}}


@pytest.mark.parametrize("flat", [{"a": 1, "a/b": 2}, {"a/b": 2, "a": 1}, {"a/b/c": 2, "a": 1}])
def test_a_leaf_cannot_be_a_level(flat):
    with pytest.raises(ValueError, match="key 'a'"):
        tree_paths.unflatten_dict(flat)


@pytest.mark.parametrize("case", _GOLDEN["transform_dict"], ids=lambda case: str(case["patterns"]))
def test_transform_dict_golden(case):
    if "raises" in case:
        assert case["raises"] == "ValueError"
        with pytest.raises(ValueError, match="key 'b"):
            tree_paths.transform_dict(case["patterns"], case["in"])
    else:
        assert tree_paths.transform_dict(case["patterns"], case["in"]) == case["out"]


@pytest.mark.parametrize(
    ("patterns", "tree", "expected"),
    [
        ({"a/b": "a/c", "a/c": None}, {"a": {"b": 1, "c": 2}}, {"a": {"c": 1}}),
        ({"(.+)/c": r"\1/d"}, {"a": {"c": 1}, "b": {"c": 2}}, {"a": {"d": 1}, "b": {"d": 2}}),
        ({"a.+": None}, {"a": {"b": 1, "c": 2}}, {}),
        ({"a": None}, {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}),
    ],
)
def test_transform_dict(patterns, tree, expected):
    assert tree_paths.transform_dict(patterns, tree) == expected


def test_apply_tree_touches_only_the_selection():
    tree = {"a": {"b": 1, "c": 2}, "d": 3}
    assert tree_paths.apply_tree(tree, {"a/b": 10, "d": 20}, lambda _, x, y: x + y) == {"a": {"b": 11, "c": 2}, "d": 23}
    assert tree == {"a": {"b": 1, "c": 2}, "d": 3}


def test_apply_tree_gives_the_path():
    assert tree_paths.apply_tree({"a": {"b": 1}}, {"a": {"b": 0}}, lambda path, *_: path) == {"a": {"b": "a/b"}}


def test_apply_tree_ignores_missing_keys_unless_strict():
    assert tree_paths.apply_tree({"a": 1}, {"z": 1}, lambda *_: 0) == {"a": 1}
    with pytest.raises(ValueError, match=r"key 'z' is not in the sample, which has: a"):
        tree_paths.apply_tree({"a": 1}, {"z": 1}, lambda *_: 0, strict=True)
