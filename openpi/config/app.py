"""Programs with a configuration: its flags, on top of what `openpi/cli/program` does for every program.

    if __name__ == "__main__":
        app.run(main)

A program that called `define_config` gets the ConfigDict of `--config`, or None, as `main(config)`; else it is `main()`.
"""

import re
from collections.abc import Callable

from absl import flags
from ml_collections import config_flags

from openpi.cli import program
from openpi.config import listing, load, table, validate

flags.disclaim_key_flags()  # --help lists the flags below under the program that asked for them
_config_flag: flags.FlagHolder | None = None
_question = ""


def define_config(*, question: str = "") -> None:
    """Defines `--config`, `--config.FIELD=VALUE`, `--config_name` and `--list_configs` for the calling program.

    Args:
      question: what a command line without a configuration leaves open ("what to train?"): it is refused then, and `main`
        never gets None.
    """
    global _config_flag, _question  # absl flags are process-wide by nature; only this module and a binary's main know them
    _question = question
    _config_flag = config_flags.DEFINE_config_file(
        "config", None, "Configuration: FILE.py[:VARIANT]; change a field with --config.FIELD=VALUE."
    )
    flags.DEFINE_string("config_name", None, "Configuration by its released name, e.g. pi0_aloha_sim.")
    flags.DEFINE_flag(listing.ListFlag())


def run(main: Callable) -> None:
    """Parses the command line, runs `main` and exits: see `program.run`."""
    program.run(lambda _: _call(main), prepare=_with_config_path, check=_validate, explain=_explain)


def _call(main: Callable) -> int | None:
    return main() if _config_flag is None else main(_config_flag.value)


def _validate() -> None:
    if _config_flag is not None and _config_flag.value is not None:
        validate.validate(_config_flag.value)
    elif _question:
        raise ValueError(f"{_question} give --config=experiments/aloha.py, or --config_name=NAME")


def _with_config_path(argv: list[str]) -> list[str]:
    """argv with `--config_name` turned into `--config`, and the file found and tried, before absl sees them."""
    argv = list(argv)
    if _config_flag is None:
        return argv
    for i, arg in enumerate(argv):
        match = re.fullmatch(r"--?config(_name)?(?:=(.*))?", arg)
        if not match:
            continue
        value = match[2] if match[2] is not None else (argv[i + 1] if i + 1 < len(argv) else "")
        spec = table.config_path(value) if match[1] else value
        load.load(spec)
        path, variant = load.resolve(spec)
        replacement = [f"--config={path}:{variant}" if variant else f"--config={path}"]
        argv[i : i + (1 if match[2] is not None else 2)] = replacement
        break
    else:
        overrides = [arg for arg in argv if arg.startswith(("--config.", "-config."))]
        if overrides:
            raise ValueError(f"{overrides[0]} changes a configuration, but none is given: add --config=FILE.py")
    return argv


def _explain(error: BaseException) -> str:
    """The error's text; an unknown configuration field is said as one."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    # ml_collections wraps its KeyError in the AttributeError, hence the escaped quotes and line break.
    text = " ".join(text.replace("\\n", " ").replace("\\", "").split())
    field = re.match(r"""["']*'(\w+)'["']*(?: Did you mean "(\w+)")?""", text)
    if isinstance(error, AttributeError | KeyError) and field:
        meant = f"; did you mean {field[2]!r}?" if field[2] else ""
        return f"the configuration has no field {field[1]!r}{meant}"
    return text
