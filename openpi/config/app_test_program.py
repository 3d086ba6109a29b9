"""Prints a field of its configuration.

app_test_program --config=experiments/aloha.py --config.batch_size=4
"""

from absl import flags

from openpi.config import app

_FAIL = flags.DEFINE_enum("fail", None, ["value", "interrupt"], "Fail in this way.")


def main(config) -> None:
    if _FAIL.value == "value":
        raise ValueError("the cube\nis gone")
    if _FAIL.value == "interrupt":
        raise KeyboardInterrupt
    print(config.batch_size if config else "no config")


if __name__ == "__main__":
    app.define_config()
    app.run(main)
