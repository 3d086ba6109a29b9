"""Files as the published recorder writes them are converted; hostile ones are refused, and nothing of them is run."""

import os
import pathlib
import pickle
import struct

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from openpi.serve import published_record
from openpi.server import record_file
from openpi.testing import program

_STEP = {
    "inputs/observation/joint_position": np.arange(7.0),
    "inputs/observation/gripper_position": np.float32(0.5),
    "inputs/observation/wrist_image_left": np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3)),
    "inputs/prompt": "fold the towel",
    "outputs/actions": np.ones((15, 8), ">f4"),
    "outputs/policy_timing/infer_ms": 12.5,
    "outputs/empty": np.zeros((0, 3)),
    "outputs/more": {"flag": True, "none": None, "count": 2**40, "text": np.array("text")},
}


def _npy(path, pickled):
    path.write_bytes(_HEADER + pickled)
    return path


_TEXT = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"
_HEADER = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + _TEXT.ljust(117).encode() + b"\n"


def _check(found):
    assert found.keys() == _STEP.keys()
    for key, value in _STEP.items():
        np.testing.assert_equal(found[key], value)
        assert getattr(found[key], "dtype", None) == getattr(value, "dtype", None)


def test_reads_what_numpy_writes(tmp_path):
    np.save(tmp_path / "step.npy", np.array(_STEP), allow_pickle=True)
    _check(published_record.read(tmp_path / "step.npy"))


def test_reads_what_older_numpy_writes(tmp_path):
    pickled = pickle.dumps(np.array(_STEP), 3)
    old = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != pickled
    _check(published_record.read(_npy(tmp_path / "step.npy", old)))


class _Runs:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def _hostile(folder):
    """Pickles that would do something, by what they are refused for."""
    mark = str(folder / "executed")
    inside = lambda value, protocol=4: pickle.dumps(np.array({"inputs/x": value}, dtype=object), protocol)
    touch = _Runs(os.mkdir, mark)
    return {
        "posix.mkdir": inside(touch),
        "it names posix.mkdir": pickle.dumps(touch, 3),
        "builtins.eval": inside(_Runs(eval, f"__import__('os').mkdir({mark!r})")),
        "numpy.load": inside(_Runs(np.load, mark)),
        "builtins.getattr": inside(getattr),
        "pathlib": inside(pathlib.PurePosixPath("x")),
        "instruction INST": b"(ios\nmkdir\n.",
        "instruction EXT1": b"\x80\x04\x82\x01.",
        "instruction PERSID": b"Pid\n.",
        "instruction NEWOBJ": b"\x80\x04cnumpy\ndtype\n)\x81.",
        "numbers an object 4000000000": b"\x80\x04Nr" + struct.pack("<I", 4_000_000_000) + b".",
        "more than 10000 instructions": b"\x80\x04N" + b"\x85" * 20_000 + b".",
        "calls numpy's ndarray": b"\x80\x04cnumpy\nndarray\n)R.",
        "changes numpy's dtype": b"\x80\x04cnumpy\ndtype\n}b.",
        "no single object": b"\x80\x04}.",
        "do not fit together": b"\x80\x04}}}s.",
        "but only 2 remain": b"\x80\x04B\xff\xff\xff\xffx.",
    }


def test_hostile_files_are_refused_and_run_nothing(tmp_path):
    for text, pickled in _hostile(tmp_path).items():
        path = _npy(tmp_path / "step_0.npy", pickled)
        with pytest.raises(ValueError, match="step_0.npy is no file of the published recorder: ") as refused:
            published_record.read(path)
        assert text in str(refused.value), (text, str(refused.value))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1], "it holds a list"),
        (b"x", "it holds a bytes"),
        (np.zeros(2, complex), "dtype"),
        (np.array([None]), "dtype"),
        ({"x": {"x": np.array([{}])}}, "dtype"),
    ],
)
def test_what_a_recorder_does_not_write_is_refused(tmp_path, value, text):
    path = _npy(tmp_path / "step_0.npy", pickle.dumps(np.array({"inputs/x": value}, dtype=object), 4))
    with pytest.raises(ValueError, match=text):
        published_record.read(path)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=200)
def test_damage_is_told_in_one_line(tmp_path_factory, data):
    pickled = bytearray(pickle.dumps(np.array(_STEP), 4))
    for _ in range(data.draw(st.integers(1, 3))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    path = _npy(
        tmp_path_factory.getbasetemp() / "step_0.npy", bytes(pickled[: data.draw(st.integers(0, len(pickled)))])
    )
    try:
        published_record.read(path)
    except ValueError as error:
        assert "\n" not in str(error)


def test_another_npy_is_refused(tmp_path):
    np.save(tmp_path / "step_0.npy", np.zeros(3))
    with pytest.raises(ValueError, match="an array of float64 and shape"):
        published_record.read(tmp_path / "step_0.npy")


def test_converts_a_folder(tmp_path):
    (tmp_path / "records").mkdir()
    for number in (0, 2, 10):
        step = {**_STEP, "inputs/observation/gripper_position": np.float32(number)}
        np.save(tmp_path / "records" / f"step_{number}.npy", np.array(step), allow_pickle=True)
    (tmp_path / "records" / "step_x.npy").touch()
    flags = ["--records=records", "--output=out.recording", "--config=pi05_droid"]
    done = program.run("openpi/serve:convert_recording", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out.recording: 3 requests\n"
    found = record_file.RecordFile(tmp_path / "out.recording")
    assert found.header.config_name == "pi05_droid"
    assert len(found.header.metadata["robot"]["actions"]) == 8
    records = list(found)
    assert [record.observation["observation"]["gripper_position"] for record in records] == [0, 2, 10]
    assert [(record.session, record.request, record.drawn) for record in records] == [
        ("published", number, None) for number in (1, 2, 3)
    ]
    assert records[0].observation["prompt"] == "fold the towel"
    np.testing.assert_array_equal(records[0].result["actions"], np.ones((15, 8)))
    assert records[0].result["policy_timing"] == {"infer_ms": 12.5}

    _npy(tmp_path / "records" / "step_3.npy", pickle.dumps(_Runs(os.mkdir, str(tmp_path / "executed")), 4))
    done = program.run("openpi/serve:convert_recording", flags[0], "--output=other.recording", cwd=tmp_path)
    assert done.returncode == 1
    assert "step_3.npy is no file of the published recorder: it names posix.mkdir" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.recording", "records"]
