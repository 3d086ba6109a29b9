import math
import weakref

import ml_dtypes
import numpy as np
import pytest
import tensorstore as ts
from hypothesis import given, settings
from hypothesis import strategies as st

from openpi.checkpoints import array_reader, stored_tree

MIB = 1 << 20


def stored(path, values, chunks, name="store"):
    """An array in a zarr store under `path`."""
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{path}/{name}/"},
        "metadata": {"chunks": list(chunks), "compressor": {"id": "zstd", "level": 1}},
    }
    store = ts.open(spec, create=True, dtype=ts.dtype(values.dtype), shape=values.shape).result()
    store.write(values).result()
    return stored_tree.StoredArray(name, values.shape, values.dtype, tuple(chunks), store)


@settings(deadline=None)
@given(
    shape_and_chunks=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 50)), max_size=4),
    itemsize=st.sampled_from([1, 2, 4]),
    scale=st.sampled_from([1, 4096, 10**6, 10**8]),
)
def test_boxes_cover_the_array_once_along_its_chunks(shape_and_chunks, itemsize, scale):
    shape = tuple(size for size, _ in shape_and_chunks)
    chunks = tuple(chunk for _, chunk in shape_and_chunks)
    boxes = array_reader.boxes(shape, chunks, itemsize * scale)
    cover = np.zeros(shape, np.int8)
    for box in boxes:
        cover[box] += 1
        for part, chunk, size in zip(box, chunks, shape, strict=True):
            assert part.start % chunk == 0
            assert part.stop % chunk == 0 or part.stop == size
    assert (cover == 1).all()
    if math.prod(shape) * itemsize * scale <= 64 * MIB:
        assert len(boxes) == 1


def test_no_element_no_box():
    assert array_reader.boxes((3, 0), (3, 1), 4) == []


@pytest.mark.parametrize("in_flight_bytes", [1, 20_000, array_reader.IN_FLIGHT_BYTES])
def test_reads_in_order_and_casts(tmp_path, in_flight_bytes, monkeypatch):
    monkeypatch.setattr(array_reader, "_BOX_BYTES", 3000)
    rng = np.random.default_rng(0)
    values = [
        rng.standard_normal((30, 17, 5)).astype(np.float32),
        rng.standard_normal((0, 3)).astype(np.float32),
        rng.integers(0, 9, (12,), dtype=np.int32),
        np.asarray(3.5, np.float32),
        np.asarray([[np.nan, np.inf, -np.inf, 3e38, 1e-40, -0.0]], np.float32),
    ]
    chunks = [(7, 17, 2), (1, 1), (5,), (), (1, 3)]
    arrays = [stored(tmp_path, v, c, name=str(i)) for i, (v, c) in enumerate(zip(values, chunks, strict=True))]
    for dtype in (np.float32, ml_dtypes.bfloat16):
        dtypes = [dtype, dtype, np.int32, dtype, dtype]
        read = list(array_reader.read(arrays, dtypes, title="t", in_flight_bytes=in_flight_bytes))
        for got, value, wanted in zip(read, values, dtypes, strict=True):
            np.testing.assert_array_equal(got.astype(np.float32), value.astype(wanted).astype(np.float32))
            assert got.dtype == wanted


@pytest.mark.parametrize("in_flight_bytes", [1, 50_000, array_reader.IN_FLIGHT_BYTES])
def test_an_array_is_let_go(tmp_path, in_flight_bytes):
    """When the next one comes, nothing here holds those that the caller let go."""
    arrays = [stored(tmp_path, np.full((64, 64), at, np.float32), (16, 64), name=str(at)) for at in range(5)]
    gone = []
    for host in array_reader.read(arrays, [np.float32] * 5, title="t", in_flight_bytes=in_flight_bytes):
        assert [ref() is None for ref in gone] == [True] * len(gone)
        gone.append(weakref.ref(host))
        del host
    assert len(gone) == 5


def test_blocks_of_arrays_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(array_reader, "_BOX_BYTES", 400)
    a = np.arange(60, dtype=np.float32).reshape(12, 5)
    groups = [
        [stored(tmp_path, a, (4, 5), "a"), stored(tmp_path, a.astype(np.int32) + 1, (3, 2), "b")],
        [stored(tmp_path, np.zeros((0, 2), np.float32), (1, 1), "c")],
        [stored(tmp_path, np.asarray(7.0, np.float32), (), "d")],
    ]
    read = list(array_reader.read_blocks(groups, title="t", in_flight_bytes=1))
    assert [index for index, _ in read] == [0, 2]  # an array without elements has no piece
    np.testing.assert_array_equal(read[0][1][0], a)
    np.testing.assert_array_equal(read[0][1][1], a + 1)
    monkeypatch.setattr(array_reader, "_BOX_BYTES", 50)
    pieces = [blocks for index, blocks in array_reader.read_blocks(groups, title="t") if index == 0]
    assert len(pieces) == 1  # (12, 10) is the least that follows the chunks of both


def test_a_lost_block_is_an_error(tmp_path):
    array = stored(tmp_path, np.ones((4, 4), np.float32), (2, 4))
    (tmp_path / "store" / "1.0").write_bytes(b"")
    with pytest.raises(ValueError, match="Truncated"):
        list(array_reader.read([array], [np.float32], title="t"))
