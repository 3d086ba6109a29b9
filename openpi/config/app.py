"""How every program of openpi starts and ends: the user's directory, flags, and errors of one line.

    if __name__ == "__main__":
        app.run(main)

A program that called `define_config` gets the ConfigDict of `--config`, or None, as `main(config)`; else it is `main()`.
"""

import os
import pathlib
import re
import sys
from collections.abc import Callable

from absl import app, flags
from ml_collections import config_flags

from openpi.config import load, table, validate

USAGE_ERROR = 2
INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended

flags.disclaim_key_flags()  # --help lists the flags below under the program that asked for them
_config_flag: flags.FlagHolder | None = None


def define_config() -> None:
    """Defines `--config`, `--config.FIELD=VALUE` and `--config_name` for the calling program."""
    global _config_flag  # absl flags are process-wide by nature; only this module and a binary's main know them
    _config_flag = config_flags.DEFINE_config_file(
        "config", None, "Configuration: FILE.py[:VARIANT]; change a field with --config.FIELD=VALUE."
    )
    flags.DEFINE_string("config_name", None, "Configuration by its released name, e.g. pi0_aloha_sim.")


def run(main: Callable) -> None:
    """Parses the command line, runs `main` and exits.

    Exit codes: 0; what `main` returns; 1 for an error that `main` raised (one line on standard error; with
    OPENPI_TRACEBACK=1 the whole traceback); 2 for a command line that makes no sense; 130 after Ctrl-C.
    """
    # `bazel run` starts programs in its own tree; relative paths mean the directory that the user stands in.
    directory = os.environ.get("BUILD_WORKING_DIRECTORY")
    if directory and pathlib.Path(directory).is_dir():
        os.chdir(directory)
    app.run(lambda _: _run_main(main), flags_parser=_parse)


def _run_main(main: Callable) -> int:
    if os.environ.get("OPENPI_TRACEBACK") == "1":
        return _call(main) or 0
    try:
        return _call(main) or 0
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C", INTERRUPTED)
    except (ValueError, OSError, LookupError, RuntimeError) as error:
        return _fail(_one_line(error), 1)


def _call(main: Callable) -> int | None:
    return main() if _config_flag is None else main(_config_flag.value)


def _parse(argv: list[str]) -> list[str]:
    try:
        argv = _with_config_path(argv)
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise ValueError(f"unexpected argument {rest[1]!r}; flags are written --name=value")
        if _config_flag is not None and _config_flag.value is not None:
            validate.validate(_config_flag.value)
        return rest
    except SystemExit:  # --help: absl's own exit code is 1
        raise SystemExit(0) from None
    except (flags.Error, AttributeError, ValueError, LookupError, OSError, TypeError) as error:
        raise SystemExit(_fail(f"{_one_line(error)}; see --help", USAGE_ERROR)) from None


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


def _one_line(error: BaseException) -> str:
    """The error's text without line breaks; an unknown configuration field is said as one."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    # ml_collections wraps its KeyError in the AttributeError, hence the escaped quotes and line break.
    text = " ".join(text.replace("\\n", " ").replace("\\", "").split())
    field = re.match(r"""["']*'(\w+)'["']*(?: Did you mean "(\w+)")?""", text)
    if isinstance(error, AttributeError | KeyError) and field:
        meant = f"; did you mean {field[2]!r}?" if field[2] else ""
        return f"the configuration has no field {field[1]!r}{meant}"
    return text or type(error).__name__


def _fail(text: str, code: int) -> int:
    print(f"{pathlib.Path(sys.argv[0]).parent.name}: error: {text}", file=sys.stderr, flush=True)
    return code
