"""Checksums of files, written `ALGORITHM:HEX`: md5, crc32c, sha256, or git-sha1 (of git's blob object)."""

import base64
import hashlib
import pathlib

import google_crc32c

_CHUNK = 4 << 20
_DIGEST_BYTES = {"md5": 16, "crc32c": 4}


def of_file(path: pathlib.Path, algorithm: str) -> str:
    """The checksum of the file's content."""
    with path.open("rb") as file:
        chunks = iter(lambda: file.read(_CHUNK), b"")
        if algorithm == "crc32c":
            crc = 0
            for chunk in chunks:
                crc = google_crc32c.extend(crc, chunk)
            return f"crc32c:{crc:08x}"
        hasher = hashlib.new(algorithm.removeprefix("git-"), usedforsecurity=False)
        if algorithm == "git-sha1":
            hasher.update(b"blob %d\0" % path.stat().st_size)
        for chunk in chunks:
            hasher.update(chunk)
        return f"{algorithm}:{hasher.hexdigest()}"


def matches(path: pathlib.Path, expected: str) -> bool:
    """Whether the content of the file at `path` has the checksum `expected`."""
    return of_file(path, expected.partition(":")[0]) == expected


def from_base64(algorithm: str, text: str | None) -> str | None:
    """The md5 or crc32c that a server wrote in base64; None if it wrote none, or something else."""
    try:
        digest = base64.b64decode(text or "", validate=True)
    except ValueError:
        return None
    return f"{algorithm}:{digest.hex()}" if len(digest) == _DIGEST_BYTES[algorithm] else None
