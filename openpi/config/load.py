"""A configuration file, found and run: `experiments/aloha.py:pi0_aloha_sim` → a locked ConfigDict."""

import importlib.util
import pathlib

from openpi.config import schema

# The repository's root, or the copy of it that Bazel runs programs in.
_ROOT = pathlib.Path(__file__).parents[2]


def resolve(spec: str) -> tuple[pathlib.Path, str]:
    """Splits `FILE[:VARIANT]` and finds the file: from the current directory, else among openpi's own experiments.

    Raises:
        FileNotFoundError: there is no such file in either place.
    """
    name, _, variant = spec.partition(":")
    for path in (pathlib.Path(name), _ROOT / name):
        if path.is_file():
            return path.absolute(), variant
    near = sorted(p.name for p in (_ROOT / "experiments").glob("*.py"))
    raise FileNotFoundError(
        f"--config={spec}: no such file in {pathlib.Path.cwd()}; openpi's own are experiments/{{{','.join(near)}}}"
    )


def load(spec: str) -> schema.ConfigDict:
    """Runs `get_config(VARIANT)` of the file in `FILE[:VARIANT]`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file does not parse or run, or has no such variant; the text names file and line.
    """
    path, variant = resolve(spec)
    module_spec = importlib.util.spec_from_file_location(f"_openpi_config_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise ValueError(f"--config={spec}: {path} is not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"--config={spec}: {path}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        raise ValueError(f"--config={spec}: {path} does not run: {type(error).__name__}: {error}") from error
    if not hasattr(module, "get_config"):
        raise ValueError(f"--config={spec}: {path} has no function get_config(variant)")
    try:
        return module.get_config(variant)
    except ValueError as error:
        raise ValueError(f"--config={spec}: {error}") from error
