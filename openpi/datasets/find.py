"""The folder of a dataset, however a user names it: a folder, a name, a repository of the Hub, or a configuration."""

import pathlib

from openpi.checkpoints.assets import cache
from openpi.config import load, table
from openpi.data import hub
from openpi.trainer import lerobot_source


def by_name(name: str, *, revision: str = "") -> pathlib.Path:
    """The folder of a dataset on this machine, fetched first if it has to be.

    Args:
      name: a folder; or what `config.data.repo_id` may be: a dataset recorded on this machine, or one of the Hub.
      revision: of the Hub: see `hub.fetch`.

    Raises:
      FileNotFoundError: there is none.
      OSError: it cannot be fetched.
    """
    folder = pathlib.Path(name).expanduser().absolute()
    if folder.is_dir() and not revision:
        return folder
    home = cache.data_home() / "datasets"
    recorded = home / name
    if recorded.is_dir() and not revision:
        return recorded
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise FileNotFoundError(f"{name} is no folder, and no dataset in {home}; the Hub's are named OWNER/NAME")
    return hub.fetch(name, revision=revision)


def by_config(config: str) -> pathlib.Path:
    """The folder of the dataset that a configuration (FILE.py[:VARIANT], or a released name) trains on.

    Raises:
      FileNotFoundError: it is not here, and not on the Hub.
      ValueError: the configuration names no dataset, or several.
    """
    data = load.load(config if ".py" in config else table.config_path(config)).data
    if data.mixture:
        names = ", ".join(entry.get("repo_id") or entry.get("root", "") for entry in data.mixture)
        raise ValueError(f"{config} mixes datasets: give one of them instead: {names}")
    if data.kind != "lerobot":
        raise ValueError(f"{config} reads no LeRobot dataset (config.data.kind is {data.kind!r})")
    root = lerobot_source.root_dir(data)
    if root.is_dir() and not data.revision:
        return root
    if data.root or data.generator:
        made = ": training records it first" if data.generator else ""
        raise FileNotFoundError(f"{config} trains on the dataset at {root}, which is not there{made}")
    return hub.fetch(data.repo_id, revision=data.revision)
