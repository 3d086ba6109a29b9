"""The page of a dataset on the Hugging Face Hub: what it holds, and how to load it."""

import json
from collections.abc import Sequence

from openpi.data import feature_names
from openpi.data.lerobot import info as lerobot_info

_TEXT = """---
license: {license}
task_categories:
- robotics
tags: {tags}
configs:
- config_name: default
  data_files: data/*/*.parquet
---

# {repo_id}

{summary}

| | |
| --- | --- |
| format | LeRobot {version} |
| robot | {robot} |
| frames per second | {fps:g} |
| episodes | {episodes:,} |
| frames | {frames:,} ({hours:.2f} hours) |

## Tasks

{tasks}

## Features

| feature | dtype | shape | names |
| --- | --- | --- | --- |
{features}

## Loading

```console
$ bazel run //openpi/datasets:pull -- {repo_id}
$ bazel run //openpi/train -- --config=... --config.data.repo_id={repo_id}
```

LeRobot's own `LeRobotDataset("{repo_id}")` reads it, too.
"""
_MOST_TASKS = 20  # named on the page


def render(
    repo_id: str,
    info: lerobot_info.Info,
    *,
    version: str,
    episodes: int,
    frames: int,
    tasks: Sequence[str],
    license: str = "apache-2.0",
    tags: Sequence[str] = (),
) -> str:
    """README.md of a dataset."""
    listed = [f"- {_plain(task)}" for task in tasks[:_MOST_TASKS]]
    if len(tasks) > _MOST_TASKS:
        listed.append(f"- and {len(tasks) - _MOST_TASKS} more")
    rows = [
        f"| `{key}` | {feature.dtype} | {list(feature.shape)} | {_plain(', '.join(feature_names.of(feature)))} |"
        for key, feature in info.features.items()
        if key not in lerobot_info.INDEX_FEATURES
    ]
    return _TEXT.format(
        license=json.dumps(license),
        tags=json.dumps(["LeRobot", *tags]),
        repo_id=repo_id,
        summary="A robot dataset in the LeRobot format, written by openpi.",
        version=version,
        robot=_plain(info.robot_type or "not said"),
        fps=info.fps,
        episodes=episodes,
        frames=frames,
        hours=frames / info.fps / 3600,
        tasks="\n".join(listed),
        features="\n".join(rows),
    )


def _plain(text: str) -> str:
    """One line of a table or list, whatever the text holds."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
