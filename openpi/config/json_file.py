"""A configuration as a JSON file beside a checkpoint, so that the checkpoint alone can be served."""

import json
import pathlib

from openpi.config import robots, schema


def dumps(config: schema.ConfigDict) -> str:
    """The configuration as indented JSON; tuples become lists."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True) + "\n"


def load(path: pathlib.Path) -> schema.ConfigDict:
    """Reads what `dumps` wrote: a locked ConfigDict with every field of the schema.

    Fields that the file lacks (it was written by an older version) get their defaults.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON, or fields that this version does not know; the text names the file.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error.reason})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise ValueError(f"{path}: not an openpi configuration (an object with a field 'name')")
    config = schema.base_config(values["name"], _model_of(values))
    _fill(config, _upgrade(values), "", path)
    return config.lock()


def _model_of(values: dict) -> schema.ConfigDict:
    """The defaults of the file's type of model; of pi0 where it names none that is known."""
    model = values.get("model")
    name = model.get("type") if isinstance(model, dict) else None
    return schema.MODELS.get(name, schema.pi0_model)() if isinstance(name, str) else schema.pi0_model()


def _upgrade(values: dict) -> dict:
    """The values of older files as they are written now.

    There were no robots' descriptions, but `"robot": "aloha"` and two flags; `model.remat` was true or false.
    """
    model = values.get("model")
    if isinstance(model, dict) and isinstance(model.get("remat"), bool):
        values = {**values, "model": {**model, "remat": "full" if model["remat"] else "none"}}
    data = values.get("data")
    if not isinstance(data, dict) or data.get("robot", "aloha") != "aloha":
        return values
    former = {"adapt_to_pi": "adapt_to_pi", "delta": "use_delta_joint_actions"}
    robot = robots.aloha(**{name: bool(data.get(field, True)) for name, field in former.items()})
    kept = {field: value for field, value in data.items() if field not in former.values()}
    return {**values, "data": {**kept, "robot": robot.to_dict()}}


# What older files have and nothing needs any more.
_GONE = ("data.cache_frames",)
# Free-form fields: their keys are the user's.
_OPEN = ("data.repack", "policy_metadata")


def _fill(config: schema.ConfigDict, values: dict, prefix: str, path: pathlib.Path) -> None:
    for key, value in values.items():
        field = f"{prefix}{key}"
        if key not in config:
            if field in _GONE:
                continue
            raise ValueError(f"{path}: unknown field {field!r}; it was written by another version of openpi")
        if field in _OPEN:
            config[key] = schema.ConfigDict(value)
        elif isinstance(value, dict) and isinstance(config[key], schema.ConfigDict):
            _fill(config[key], value, f"{field}.", path)
        else:
            _set(config, key, _with_tuples(value), field, path)


def _with_tuples(value: object) -> object:
    """JSON's lists as the tuples that they were, at every depth."""
    if isinstance(value, list | tuple):
        return tuple(_with_tuples(entry) for entry in value)
    return {key: _with_tuples(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def _set(config: schema.ConfigDict, key: str, value: object, field: str, path: pathlib.Path) -> None:
    try:
        config[key] = value
    except TypeError as error:
        raise ValueError(f"{path}: field {field!r} has the wrong type ({value!r})") from error
