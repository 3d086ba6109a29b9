"""Several wheels, and what they depend on, lie in one folder and can be imported from it alone."""

import pathlib
import subprocess
import sys

_FOLDER = pathlib.Path("third_party/python/merged_wheels_example").resolve()


def test_wheels_and_their_deps_lie_in_one_folder():
    assert {"PIL", "ml_dtypes", "numpy"} <= {path.name for path in _FOLDER.iterdir()}


def test_they_are_imported_from_the_folder_alone():
    program = f"import sys; sys.path.append({str(_FOLDER)!r}); import PIL.Image, ml_dtypes; print(PIL.__file__, ml_dtypes.__file__)"
    files = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [pathlib.Path(file).is_relative_to(_FOLDER) for file in files] == [True, True]
