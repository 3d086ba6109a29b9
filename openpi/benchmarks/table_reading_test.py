import pytest

from openpi.benchmarks import table_reading


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_figures_of_a_small_dataset(tmp_path, version):
    table_reading.write(tmp_path / "d", version, 3, 60)
    found = table_reading.measure(tmp_path / "d", 50)
    other = table_reading.measure(tmp_path / "d", 10)
    assert found["checksum"] == other["checksum"] != 0
    assert all(value > 0 for key, value in found.items() if not key.endswith("_mib") and key != "checksum")
    assert found["left_mib"] <= found["peak_mib"] < 500 and found["items_per_s"] > 100
