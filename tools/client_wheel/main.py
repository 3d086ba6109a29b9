"""Writes the wheel openpi-client, which a robot's computer installs: `tools/bazel run //tools/client_wheel -- DIR`."""

import os
import pathlib
import sys

from tools.client_wheel import build_wheel


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("client_wheel: error: give the folder to write the wheel into")
    out = pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", ".")) / sys.argv[1]
    print(build_wheel.build(out.resolve()))


if __name__ == "__main__":
    main()
