"""Nested dicts seen as flat ones, whose keys are paths joined by "/"."""

import re
from collections.abc import Callable, Mapping
from typing import Any


def flatten_dict(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `{"a/b": leaf}` for `{"a": {"b": leaf}}`; empty dicts below the top disappear."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}/{rest}": leaf for rest, leaf in flatten_dict(value).items()})
        else:
            flat[key] = value
    return flat


def unflatten_dict(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested dict of a flat one. A key that held a "/" before flattening becomes a level of its own.

    Raises:
      ValueError: one key is a leaf and also the beginning of another key.
    """
    tree = {}
    for path, value in flat.items():
        *parents, leaf = path.split("/")
        node = tree
        for depth, parent in enumerate(parents, start=1):
            if (prefix := "/".join(parents[:depth])) in flat:
                raise ValueError(f"key '{prefix}' is a leaf and also the beginning of '{path}'")
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


def apply_tree(
    tree: Mapping[str, Any],
    selector: Mapping[str, Any],
    function: Callable[[str, Any, Any], Any],
    *,
    strict: bool = False,
) -> dict[str, Any]:
    """Returns `tree` with `function(path, value, selected)` at every path that `selector` has too.

    Args:
      tree: nested dict; leaves that the selector does not name pass through.
      selector: nested dict, or a flat one with "/" in its keys.
      function: gives the new leaf from its path, the old leaf and the selector's leaf.
      strict: whether a path of the selector must exist in the tree.

    Raises:
      ValueError: `strict`, and a path of the selector is not in the tree.
    """
    flat, selected = flatten_dict(tree), flatten_dict(selector)
    missing = [path for path in selected if path not in flat]
    if strict and missing:
        raise ValueError(f"key '{missing[0]}' is not in the sample, which has: {', '.join(sorted(flat))}")
    return unflatten_dict(
        {path: function(path, value, selected[path]) if path in selected else value for path, value in flat.items()}
    )


def transform_dict(patterns: Mapping[str, str | None], tree: Mapping[str, Any]) -> dict[str, Any]:
    r"""Renames or removes leaves by regular expressions over their paths.

    Args:
      patterns: regular expression → new path (back-references such as `\1` allowed), or None, which removes the leaf. They
        are tried in order, the whole path must match, and the first match wins.
      tree: nested dict; leaves that no pattern matches are kept.

    Raises:
      ValueError: two leaves get the same path, or a leaf's path is the beginning of another's.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in patterns.items()]
    renamed = {}
    for path, value in flatten_dict(tree).items():
        new_path = _rename(compiled, path)
        if new_path is None:
            continue
        if new_path in renamed:
            raise ValueError(f"key '{new_path}' appears twice after renaming; the second comes from '{path}'")
        renamed[new_path] = value
    return unflatten_dict(renamed)


def _rename(patterns: list[tuple[re.Pattern[str], str | None]], path: str) -> str | None:
    for pattern, replacement in patterns:
        match = pattern.fullmatch(path)
        if match:
            return None if replacement is None else match.expand(replacement)
    return path
