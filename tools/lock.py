"""Remakes requirements_lock.txt from third_party/python/requirements.in: `tools/bazel run //tools:lock`.

Pins that still satisfy the requirements stay; pass --upgrade (or --upgrade-package=NAME) to move them.
"""

import subprocess
import sys

import uv

from tools import tree


def main(arguments: list[str]) -> int:
    command = [
        uv.find_uv_bin(),
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        f"--python={sys.executable}",
        "--python-version=3.11",
        "--custom-compile-command=tools/bazel run //tools:lock",
        "--output-file=requirements_lock.txt",
        *arguments,
        "third_party/python/requirements.in",
    ]
    return subprocess.run(command, cwd=tree.root(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
