"""The schema of a manifest, written as a value of its shape: for files whose reader is not here."""

from typing import Any


def check(value: Any, schema: Any, path: str = "") -> None:
    """Raises AssertionError where `value` is not as `schema` says.

    A dict: these fields and no others, those with "?" may be absent; a list: items like its one; a type: such a value.
    """
    if isinstance(schema, dict):
        assert isinstance(value, dict), path
        unknown = value.keys() - {name.rstrip("?") for name in schema}
        assert not unknown, f"{path}: {unknown}"
        for field, part in schema.items():
            name = field.rstrip("?")
            if name in value:
                check(value[name], part, f"{path}.{name}")
            else:
                assert field.endswith("?"), f"{path}.{name} is missing"
    elif isinstance(schema, list):
        assert isinstance(value, list), path
        for number, item in enumerate(value):
            check(item, schema[0], f"{path}[{number}]")
    else:
        assert type(value) is schema, f"{path}: {value!r}"
