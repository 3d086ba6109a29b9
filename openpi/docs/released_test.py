"""The page of released checkpoints names configurations that there are, with the statistics that they ask for."""

import re

import pytest

from openpi.config import load, table
from openpi.docs import page
from openpi.serve import environments
from tools import tree

_TEXT = (tree.root() / "openpi/docs/released.md").read_text(encoding="utf-8")
_ROWS = [cells for _, cells in page.tables(_TEXT)]
_NAMED = re.compile(r"(pi0|pi05|paligemma)_\w+")


def _configurations(cells):
    if cells[1] == "of the same name":
        return page.code(cells[0])
    return [name for name in page.code(cells[1]) if _NAMED.fullmatch(name)]


@pytest.mark.parametrize("cells", _ROWS[:9], ids=lambda cells: cells[0][:30])
def test_configurations_exist_and_use_the_statistics_that_the_page_says(cells):
    assert len(cells) == 3
    for name in _configurations(cells):
        config = load.load(table.config_path(name))
        asset = config.data.asset_id or config.data.repo_id
        assert f"`{asset}`" in cells[2] or "nine robots" in cells[2], f"{name} is normalized by {asset}"


def test_every_released_policy_and_prompt_is_there():
    assert "policy" in _TEXT and len(_ROWS) >= 13
    for name, released in environments.ENVIRONMENTS.items():
        assert f"`{name}`" in _TEXT
        assert f"`{released.config_name}`" in _TEXT and f"`{released.checkpoint.rpartition('/')[2]}`" in _TEXT
    for name in ("pi0_aloha_towel", "pi0_aloha_tupperware", "pi0_aloha_pen_uncap"):
        prompt = load.load(table.config_path(name)).data.default_prompt
        (row,) = [cells for cells in _ROWS if cells[0] == f"`{name}`"]
        assert row[1] == f'"{prompt}"'
