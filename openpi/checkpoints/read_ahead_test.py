import dataclasses

import pytest

from openpi.checkpoints import read_ahead


@dataclasses.dataclass
class Disk:
    """Counts what is held: bytes from the start of a read until its result has been used."""

    held: int = 0
    peak: int = 0
    most_at_once: int = 0
    running: int = 0

    def read(self, name, cost, *, release=None, alone=False, fails=False):
        release = cost if release is None else release

        def start():
            assert not (alone and self.running), "something else was running"
            self.held += cost
            self.running += 1
            self.peak = max(self.peak, self.held)
            self.most_at_once = max(self.most_at_once, self.running)
            return [self]

        def then(results):
            assert results == ["numbers"]
            if fails:
                raise ValueError(name)
            self.running -= 1
            return name, release

        return read_ahead.Read(start=start, cost=cost, release=release, nbytes=cost, then=then, alone=alone)

    def result(self):
        return "numbers"

    def run(self, reads, limit):
        names = []
        for name, release in read_ahead.run(reads, limit=limit, title="t", total=1):
            names.append(name)
            self.held -= release  # used
        return names


@pytest.mark.parametrize("limit", [0, 1, 10, 35, 1000])
def test_bytes_are_bounded_and_the_order_kept(limit):
    disk = Disk()
    costs = [10, 3, 3, 3, 20, 1, 1, 1, 1, 10, 10, 10]
    assert disk.run([disk.read(i, cost) for i, cost in enumerate(costs)], limit) == list(range(len(costs)))
    assert disk.held == 0
    assert disk.peak <= max(limit, max(costs))  # one that costs more than the limit runs alone


def test_as_many_at_once_as_fit():
    disk = Disk()
    disk.run([disk.read(i, 10) for i in range(20)], limit=35)
    assert (disk.most_at_once, disk.peak) == (3, 30)


def test_what_is_held_on_is_counted_on():
    """Two reads fill one array of 20 bytes, which the first allocates and the last lets go."""
    disk = Disk()
    reads = [disk.read(0, 30, release=10), disk.read(1, 10, release=30), disk.read(2, 30)]
    assert disk.run(reads, limit=40) == [0, 1, 2]
    assert disk.peak == 40


def test_alone():
    disk = Disk()
    reads = [disk.read(0, 1), disk.read(1, 1), disk.read(2, 1, alone=True), disk.read(3, 1)]
    assert disk.run(reads, limit=100) == [0, 1, 2, 3]
    assert disk.most_at_once == 2


def test_a_failure_comes_in_its_turn():
    disk = Disk()
    found = []
    with pytest.raises(ValueError, match="b"):
        for name, _ in read_ahead.run([disk.read("a", 1), disk.read("b", 1, fails=True)], limit=10, title="t", total=2):
            found.append(name)
    assert found == ["a"]
