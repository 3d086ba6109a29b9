"""The RLDS datasets of `config.data.rlds`, opened."""

import pathlib

from openpi.checkpoints import locate
from openpi.checkpoints.assets import cache
from openpi.config import schema
from openpi.data.rlds import droid

_FIELDS = ("name", "version", "weight", "filter")


def index_dir() -> pathlib.Path:
    """Where the indices of all RLDS datasets are kept."""
    return cache.data_home() / "rlds"


def open_droid(config: schema.ConfigDict) -> list[tuple[droid.DroidDataset, float]]:
    """Each dataset with its share of the samples. A filter that is a URL is fetched first.

    Raises:
      FileNotFoundError: a dataset, a file of it, or a filter is not there.
      OSError: a filter cannot be fetched.
      ValueError: a field is empty or makes no sense, or a dataset is damaged.
    """
    rlds = config.data.rlds
    if not rlds.data_dir or "://" in rlds.data_dir:
        raise ValueError(
            f"config.data.rlds.data_dir is {rlds.data_dir!r}: set it to the local folder that holds <name>/<version> of "
            "the datasets, e.g. a copy of gs://gresearch/robotics"
        )
    opened = []
    for number, entry in enumerate(rlds.datasets):
        if set(entry) != set(_FIELDS):
            raise ValueError(
                f"config.data.rlds.datasets[{number}] has the fields {', '.join(sorted(entry))}, expected "
                f"{', '.join(_FIELDS)}"
            )
        folder = pathlib.Path(rlds.data_dir).expanduser().absolute() / entry["name"] / entry["version"]
        if not folder.is_dir():
            raise FileNotFoundError(
                f"there is no {folder}: set --config.data.rlds.data_dir to the local folder that holds "
                f"{entry['name']}/{entry['version']}"
            )
        dataset = droid.DroidDataset(
            folder,
            index_dir(),
            action_horizon=config.model.action_horizon,
            action_space=rlds.action_space,
            ranges=locate.local(entry["filter"]) if entry["filter"] else None,
        )
        opened.append((dataset, entry["weight"]))
    return opened
