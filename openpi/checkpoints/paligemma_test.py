import io
import json
import pathlib
import zipfile

import jax
import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util

from openpi.checkpoints import merge, paligemma, restore

TESTDATA = pathlib.Path(__file__).parent / "testdata"
GOLDEN = TESTDATA / "weight_loading" / "paligemma_style.npz"
KERNEL = "params/img/head/kernel"


def model(**leaves):
    """A model's tree, from path to shape; every leaf is float32."""
    flat = {path: jax.ShapeDtypeStruct(shape, np.float32) for path, shape in leaves.items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def head(shape=(2, 3)):
    return model(**{"PaliGemma/img/head/kernel": shape, "PaliGemma/llm/x_lora_a": (9,), "state_proj/kernel": (4, 5)})


def save(path, **arrays):
    np.savez(path, **{name.replace("__", "/"): array for name, array in arrays.items()})
    return path


def test_golden():
    """What comes from the file and what is left for initialisation, as in the published loader; extras are ignored."""
    results = json.loads((TESTDATA / "weight_loading" / "results.json").read_text())["paligemma_npz"]
    expected = jax.eval_shape(lambda tree: tree, restore.restore_params(TESTDATA / "checkpoint_tiny_pi0"))
    loaded = traverse_util.flatten_dict(paligemma.read_params(GOLDEN, expected), sep="/")
    assert loaded.keys() == set(results["from_npz"])
    assert traverse_util.flatten_dict(expected, sep="/").keys() - loaded.keys() == set(
        results["left_for_initialisation"]
    )
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        for path, array in loaded.items():
            np.testing.assert_array_equal(array, arrays[path.replace("PaliGemma", "params", 1)], strict=True)


@pytest.mark.parametrize("stored", [np.float32, np.float16, np.float64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("compressed", [False, True])
def test_casts_to_the_models_dtype(tmp_path, stored, compressed):
    """numpy stores bfloat16 as bytes without a type."""
    array = np.arange(6).reshape(2, 3).astype(stored)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "w.npz", **{KERNEL: array})
    for wanted in (np.float32, ml_dtypes.bfloat16):
        expected = {"PaliGemma": {"img": {"head": {"kernel": jax.ShapeDtypeStruct((2, 3), wanted)}}}}
        loaded = paligemma.read_params(tmp_path / "w.npz", expected)
        assert jax.tree.structure(loaded) == jax.tree.structure(expected)
        np.testing.assert_array_equal(loaded["PaliGemma"]["img"]["head"]["kernel"], array.astype(wanted), strict=True)


def test_transposed_arrays(tmp_path):
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    loaded = paligemma.read_params(save(tmp_path / "w.npz", **{KERNEL: array}), head())
    np.testing.assert_array_equal(loaded["PaliGemma"]["img"]["head"]["kernel"], array)


def test_what_is_not_wanted_is_not_read(tmp_path):
    """Not even an array that holds objects."""
    arrays = {KERNEL: np.ones((2, 3)), "params/other": np.array([None]), "opt/x": np.array([{}])}
    np.savez(tmp_path / "w.npz", allow_pickle=True, **arrays)
    loaded = paligemma.read_params(tmp_path / "w.npz", head())
    assert list(traverse_util.flatten_dict(loaded, sep="/")) == ["PaliGemma/img/head/kernel"]


def member(header, data):
    """A zip with one array whose header claims what it likes."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, header)
    return zipped(content.getvalue() + data)


def zipped(content):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"{KERNEL}.npy", content)
    return archive.getvalue()


def garbage(header, version=b"\1\0"):
    return zipped(b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header)


def header(descr="<f4", shape=(2, 3)):
    return {"descr": descr, "fortran_order": False, "shape": shape}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged PaliGemma weights"),
        (b"PK\x03\x04" + b"\0" * 200, "damaged PaliGemma weights"),
        (member(header(), b"\0" * 23), r"of shape \(2, 3\) and type float32 has 23 bytes"),
        (member(header(shape=(1 << 40, 1 << 40)), b"\0" * 24), "has 24 bytes"),
        (garbage(b"{'descr': ("), "the header of .* makes no sense"),
        (garbage(b"  x\n y\n  z"), "the header of .* makes no sense"),
        (garbage(b"-" * 9000 + b"1"), "the header of .* makes no sense"),
        (garbage(b"", version=b"\2\0"), "the unknown format"),
        (member(header(descr="|O"), b"\0" * 48), "holds object, and weights are floating point"),
        (member(header(descr="<i8"), b"\0" * 48), "holds int64, and weights are floating point"),
        (
            member(header(shape=(3, 2)), b"\0" * 24),
            r"PaliGemma/img/head/kernel has \(3, 2\) but the model has \(2, 3\)",
        ),
        (
            member(header(), b"\0" * 24).replace(b"img", b"imj"),
            "no array params/llm/... or params/img/... of this model",
        ),
    ],
)
def test_what_does_not_fit(tmp_path, content, message):
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        paligemma.read_params(path, head())
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_truncated_anywhere(tmp_path):
    whole = save(tmp_path / "w.npz", **{KERNEL: np.ones((2, 3), np.float32)}).read_bytes()
    for length in range(0, len(whole), 9):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged PaliGemma weights"):
            paligemma.read_params(tmp_path / "cut.npz", head())


def test_flipped_bits_are_seen(tmp_path):
    content = bytearray(save(tmp_path / "w.npz", **{KERNEL: np.ones((2, 3), np.float32)}).read_bytes())
    content[content.index(np.float32(1).tobytes())] ^= 1
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(ValueError, match="damaged PaliGemma weights .*CRC"):
        paligemma.read_params(tmp_path / "w.npz", head())


def test_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no PaliGemma weights at .*; give a PaliGemma .npz file"):
        paligemma.read_params(tmp_path / "w.npz", head())


def test_merges_as_published():
    """Whatever is absent stays at its start."""
    expected = jax.eval_shape(lambda tree: tree, restore.restore_params(TESTDATA / "checkpoint_tiny_pi0"))
    merged = merge.merge(paligemma.read_params(GOLDEN, expected), expected, missing=".*")
    merge.check(merged, expected, what="weights")
