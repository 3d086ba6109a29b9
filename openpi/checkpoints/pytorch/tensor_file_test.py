import json

import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from openpi.checkpoints.pytorch import tensor_file

BFLOAT16 = ml_dtypes.bfloat16
ARRAYS = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3).astype(BFLOAT16),
    "c": np.ones((3,), np.float16),
    "a.weight": np.linspace(0, 1, 4, dtype=np.float32),
    "z": np.full((2, 2), 7, np.float32),
}


def write(path, arrays=ARRAYS, metadata=None):
    specs = {name: tensor_file.Spec(array.shape, array.dtype) for name, array in arrays.items()}
    with tensor_file.Writer(path, specs, metadata or {"format": "pt"}) as writer:
        for name, array in arrays.items():
            writer.write(name, array)
    return path


def test_the_library_writes_the_same_bytes(tmp_path):
    safetensors_numpy.save_file(ARRAYS, tmp_path / "theirs", metadata={"format": "pt"})
    assert write(tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_reads_what_was_written(tmp_path):
    path = write(tmp_path / "x", metadata={"ü": "é"})
    with tensor_file.Reader(path) as reader:
        assert reader.metadata == {"ü": "é"}
        assert reader.specs == {name: (array.shape, array.dtype) for name, array in ARRAYS.items()}
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(reader.read(name), array, strict=True)


def test_casts_transposes_and_leaves_zeros(tmp_path):
    specs = {"a": tensor_file.Spec((3, 2), np.dtype(BFLOAT16)), "b": tensor_file.Spec((4,), np.dtype(np.float32))}
    array = np.arange(6, dtype=np.float32).reshape(2, 3) / 3
    with tensor_file.Writer(tmp_path / "x", specs, {}) as writer:
        with pytest.raises(ValueError, match=r"a has the shape \(2, 3\), but \(3, 2\) was announced"):
            writer.write("a", array)
        writer.write("a", array.T)
    found = safetensors_numpy.load_file(tmp_path / "x")
    np.testing.assert_array_equal(found["a"], array.T.astype(BFLOAT16), strict=True)
    np.testing.assert_array_equal(found["b"], np.zeros(4, np.float32), strict=True)


def header(tensors, data=b""):
    encoded = json.dumps(tensors).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged safetensors file"),
        ((1 << 62).to_bytes(8, "little") + b"{}", "damaged safetensors file"),
        (header({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, b"1234"), "damaged"),
        (header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234"), "damaged"),
        (header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234"), "damaged"),
        (header([1]), "damaged"),
        (
            header({"a": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
            "a in .* is I32; weights are F32",
        ),
    ],
)
def test_what_is_no_such_file(tmp_path, content, message):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        tensor_file.Reader(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_truncated_anywhere(tmp_path):
    whole = write(tmp_path / "x").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged safetensors file .*cut"):
            tensor_file.Reader(tmp_path / "cut")


def test_not_there(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(FileNotFoundError, match="no file .*; give a .safetensors file"):
            tensor_file.Reader(path)
    write(tmp_path / "x")
    with pytest.raises(FileExistsError):
        write(tmp_path / "x")
