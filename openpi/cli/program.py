"""How every program of openpi starts and ends: the user's directory, flags, and errors of one line."""

from __future__ import annotations

import os
import pathlib
import sys
import traceback
from collections.abc import Callable

from absl import app, flags

USAGE_ERROR = 2
INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended

_EXPECTED = (ValueError, OSError, LookupError, RuntimeError)  # what a line is enough for


def run(
    main: Callable[[list[str]], int | None],
    *,
    name: str | None = None,
    positional: str | None = None,
    prepare: Callable[[list[str]], list[str]] = lambda argv: argv,
    check: Callable[[], None] = lambda: None,
    explain: Callable[[BaseException], str] = str,
    interrupted: str = "stopped by Ctrl-C",
) -> None:
    """Parses the command line, runs `main` and exits.

    Exit codes: 0; what `main` returns; 1 for an error that `main` raised (one line on standard error; with
    OPENPI_TRACEBACK=1 the whole traceback); 2 for a command line that makes no sense; 130 after Ctrl-C.

    Args:
      main: gets the arguments that are not flags.
      name: what errors begin with; None: the name of the program's folder.
      positional: the arguments that are not flags, for people: "URL" (exactly one), "[URL]" (one or none) or "URL..." (one
        or more); None: there are none.
      prepare: changes the command line before flags are parsed.
      check: looks at the parsed flags; what it raises is about the command line.
      explain: an error's text.
      interrupted: what is said after Ctrl-C.
    """
    # `bazel run` starts programs in its own tree; relative paths mean the directory that the user stands in.
    directory = os.environ.get("BUILD_WORKING_DIRECTORY")
    if directory and pathlib.Path(directory).is_dir():
        os.chdir(directory)

    def parse(argv: list[str]) -> list[str]:
        try:
            rest = flags.FLAGS(prepare(argv))
            _check_positional(rest[1:], positional)
            check()
            return rest
        except SystemExit:  # --help: absl's own exit code is 1
            raise SystemExit(0) from None
        except (flags.Error, AttributeError, ValueError, LookupError, OSError, TypeError) as error:
            say_error(f"{_text(explain, error)}; see --help", name=name)
            raise SystemExit(USAGE_ERROR) from None

    def call(argv: list[str]) -> int:
        if os.environ.get("OPENPI_TRACEBACK") == "1":
            return main(argv[1:]) or 0
        try:
            return main(argv[1:]) or 0
        except (KeyboardInterrupt, *_EXPECTED) as error:
            return report(error, name=name, explain=explain, interrupted=interrupted)

    app.run(call, flags_parser=parse)


def report(
    error: BaseException,
    *,
    name: str | None = None,
    explain: Callable[[BaseException], str] = str,
    interrupted: str = "stopped by Ctrl-C",
) -> int:
    """Says what `main` raised, as `run` does with the same arguments, and returns the exit code."""
    if isinstance(error, KeyboardInterrupt):
        say_error(interrupted, name=name)
        return INTERRUPTED
    if os.environ.get("OPENPI_TRACEBACK") == "1" or not isinstance(error, _EXPECTED):
        traceback.print_exception(error)
    else:
        say_error(_text(explain, error), name=name)
    return 1


def say_error(text: str, *, name: str | None = None) -> None:
    """Writes it as a line of the program to standard error."""
    name = name or pathlib.Path(sys.argv[0]).parent.name
    print(f"{name}: error: {' '.join(text.split())}", file=sys.stderr, flush=True)


def _check_positional(arguments: list[str], positional: str | None) -> None:
    if positional is None and arguments:
        raise ValueError(f"unexpected argument {arguments[0]!r}; flags are written --name=value")
    if positional is not None and not arguments and not positional.startswith("["):
        raise ValueError(f"give {positional}")
    if positional is not None and not positional.endswith("...") and len(arguments) > 1:
        raise ValueError(f"give one {positional.strip('[]')}, not {len(arguments)}: {' '.join(arguments)}")


def _text(explain: Callable[[BaseException], str], error: BaseException) -> str:
    return explain(error) or type(error).__name__
