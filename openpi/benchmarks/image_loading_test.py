import pytest

from openpi.benchmarks import image_loading


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "cameras"
    image_loading.write(root, 2, 18)
    return root


def test_every_way_reads_the_dataset_and_exact_ways_give_the_same_images(root, tmp_path):
    found = {}
    for kind in ("none", "frames", "video"):
        if kind != "none":
            built = image_loading.build(root, kind, tmp_path / kind)
            assert built["rows_per_s"] > 0 and built["mib"] > 0
        found[kind] = image_loading.measure(root, kind, tmp_path / kind, threads=1, shuffle=True, seconds=0.1)
        assert found[kind]["rows_per_s"] > 0
    assert found["frames"]["checksum"] == found["none"]["checksum"] != found["video"]["checksum"]
