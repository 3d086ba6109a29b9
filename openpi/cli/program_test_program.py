"""Repeats its arguments, or fails in the way that it is told."""

import pathlib

from absl import flags

from openpi.cli import program

_TIMES = flags.DEFINE_integer("times", 1, "How often.", lower_bound=1)
_FAIL = flags.DEFINE_enum("fail", None, ["check", "code", "empty", "interrupt", "value"], "Fail in this way.")
_ERRORS = {"value": ValueError("the cube\nis gone"), "empty": OSError(), "interrupt": KeyboardInterrupt()}


def main(words: list[str]) -> int:
    if _FAIL.value in _ERRORS:
        raise _ERRORS[_FAIL.value]
    for _ in range(_TIMES.value):
        print(pathlib.Path.cwd() if words == ["cwd"] else " ".join(words))
    return 7 if _FAIL.value == "code" else 0


def _check() -> None:
    if _FAIL.value == "check":
        raise ValueError("--fail=check is refused")


if __name__ == "__main__":
    program.run(main, name="again", positional="WORD...", check=_check)
