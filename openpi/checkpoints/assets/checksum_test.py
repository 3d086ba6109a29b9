import hashlib

import pytest

from openpi.checkpoints.assets import checksum

# Of b"123456789"; git-sha1 as `git hash-object` prints it.
KNOWN = {
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "git-sha1": "e2e107ac61ac259b87c544f6e7a4eb03422c6c21",
    "crc32c": "e3069283",
}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_of_file(tmp_path, algorithm):
    path = tmp_path / "x"
    path.write_bytes(b"123456789")
    assert checksum.of_file(path, algorithm) == f"{algorithm}:{KNOWN[algorithm]}"
    assert checksum.matches(path, f"{algorithm}:{KNOWN[algorithm]}")
    path.write_bytes(b"123456780")
    assert not checksum.matches(path, f"{algorithm}:{KNOWN[algorithm]}")


def test_large_and_empty(tmp_path):
    path = tmp_path / "x"
    for content in (b"", bytes(range(256)) * 40_000):
        path.write_bytes(content)
        assert checksum.of_file(path, "md5") == f"md5:{hashlib.md5(content).hexdigest()}"


@pytest.mark.parametrize(
    ("algorithm", "text", "expected"),
    [
        ("md5", "1B2M2Y8AsgTpgAmY7PhCfg==", "md5:d41d8cd98f00b204e9800998ecf8427e"),
        ("crc32c", "4waSgw==", "crc32c:e3069283"),
        ("md5", "4waSgw==", None),  # not as long as an MD5
        ("md5", "no base64!", None),
        ("md5", "é", None),
        ("md5", None, None),
        ("md5", "", None),
    ],
)
def test_from_base64(algorithm, text, expected):
    assert checksum.from_base64(algorithm, text) == expected
