import warnings

import h5py
import numpy as np
import pytest

from openpi.convert import episode, hdf5


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["/table"] = np.arange(6.0).reshape(3, 2)
        file["/group/zwei"], file["/group/eins ü"] = np.arange(3), np.ones(3, bool)
        file["/group/dangling"] = h5py.SoftLink("/nowhere")
        file["/huge"], file["/nothing"] = np.array([1.0, 1e300]), h5py.Empty("f")
    return tmp_path / "a.h5"


def test_what_is_there_is_read(path):
    with hdf5.opened(path) as file:
        table = hdf5.numbers(file, "/table", 2)
        np.testing.assert_array_equal(table, np.arange(6, dtype=np.float32).reshape(3, 2), strict=True)
        np.testing.assert_array_equal(hdf5.numbers(file, "/group/eins ü"), np.ones(3, np.float32), strict=True)
        assert hdf5.members(file, "/group") == ["dangling", "eins ü", "zwei"]
        assert hdf5.members(file, "/none") == hdf5.members(file, "/table") == []
        assert hdf5.check_lengths(file, {"/a": 3, "/b": 3}) == 3


@pytest.mark.parametrize(
    ("name", "width", "message"),
    [
        ("/table", None, "dataset /table is float64 [3, 2], expected numbers [T]"),
        ("/table", 3, "dataset /table is float64 [3, 2], expected numbers [T, 3]"),
        ("/nothing", None, "dataset /nothing is float32 [], expected numbers [T]"),
        ("/huge", None, "dataset /huge is not finite at step 1"),
        ("/group", None, "dataset /group is missing; beside it there is group, huge, nothing, table: check that"),
        ("/group/dangling", None, "dataset /group/dangling is missing; beside it there is dangling, eins ü, zwei"),
        ("/none/x", None, "dataset /none/x is missing; beside it there is nothing"),
    ],
)
def test_what_is_not_as_expected_is_named(path, name, width, message):
    with (
        warnings.catch_warnings(action="error"),
        hdf5.opened(path) as file,
        pytest.raises(episode.BadEpisodeError) as caught,
    ):
        hdf5.numbers(file, name, width)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_damaged_file_is_a_bad_episode_wherever_the_damage_is(path):
    good, bad = path.read_bytes(), []
    rng = np.random.default_rng(0)
    for _ in range(300):
        spoiled = bytearray(good)
        for place in rng.integers(len(good), size=8):
            spoiled[place] = rng.integers(256)
        path.write_bytes(spoiled)
        try:
            with hdf5.opened(path) as file:
                for name in hdf5.members(file, "/group"):
                    hdf5.numbers(file, f"/group/{name}")
        except episode.BadEpisodeError as error:
            assert "\n" not in str(error)
            bad.append(str(error))
    assert len(set(bad)) > 20
    assert any("/group cannot be read (" in error for error in bad)


def test_lengths_must_agree(path):
    with hdf5.opened(path) as file, pytest.raises(episode.BadEpisodeError, match="number of steps: /a 3, /b 4$"):
        hdf5.check_lengths(file, {"/a": 3, "/b": 4})
