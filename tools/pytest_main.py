"""Runs pytest on the test files given as arguments: the main of every py_test."""

import os
import pathlib
import sys

import pytest


def main(argv: list[str]) -> int:
    scratch = pathlib.Path(os.environ["TEST_TMPDIR"])
    os.environ.setdefault("HOME", str(scratch))
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(scratch / "hypothesis"))
    options = [
        "--import-mode=importlib",
        f"--rootdir={pathlib.Path.cwd()}",
        f"--basetemp={scratch / 'pytest'}",
        "-pno:cacheprovider",
        "-ra",
        "--color=no",
    ]
    if report := os.environ.get("XML_OUTPUT_FILE"):
        options.append(f"--junitxml={report}")
    if chosen := os.environ.get("TESTBRIDGE_TEST_ONLY"):  # bazel test --test_filter=...
        options.append(f"-k{chosen}")
    return pytest.main([*options, *argv])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
