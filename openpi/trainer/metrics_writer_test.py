import json
import resource

from openpi.trainer import metrics_writer, tensorboard_tracker


def test_lines_are_on_disk_at_once(tmp_path):
    with metrics_writer.MetricsWriter(tmp_path) as writer:
        writer.write(0, {"loss": 1.5})
        assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 0, "loss": 1.5}\n'
        writer.write(50, {"loss": float("nan")})
    assert metrics_writer.read(tmp_path) == [{"step": 0, "loss": 1.5}, {"step": 50, "loss": None}]


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path):
    with metrics_writer.MetricsWriter(tmp_path) as writer:
        for step in range(0, 40, 10):
            writer.write(step, {"loss": float(step)})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "lo')  # the process died here
    with metrics_writer.MetricsWriter(tmp_path, resume_step=20) as writer:
        writer.write(20, {"loss": -1.0})
    steps = [(line["step"], line["loss"]) for line in metrics_writer.read(tmp_path)]
    assert steps == [(0, 0.0), (10, 10.0), (20, -1.0)]
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        json.loads(line)


class Tracker:
    def __init__(self):
        self.seen = []

    def metrics(self, step, metrics):
        self.seen.append((step, metrics))

    def picture(self, step, name, path):
        self.seen.append((step, name, path))

    def close(self):
        self.seen.append("closed")


def test_trackers_get_what_is_finite_and_pictures(tmp_path):
    trackers = [Tracker(), Tracker()]
    with metrics_writer.MetricsWriter(tmp_path, trackers=trackers) as writer:
        writer.write(7, {"loss": 1.5, "grad_norm": float("inf")})
        writer.picture(8, "seen", tmp_path / "a.png")
    for tracker in trackers:
        assert tracker.seen == [(7, {"loss": 1.5}), (8, "seen", tmp_path / "a.png"), "closed"]
    assert metrics_writer.read(tmp_path) == [{"step": 7, "loss": 1.5, "grad_norm": None}]


def test_no_metrics_yet(tmp_path):
    assert metrics_writer.read(tmp_path) == []


class Full:
    """A tracker whose disk is full."""

    def metrics(self, step, metrics):
        raise OSError(28, "No space left on device")

    def picture(self, step, name, path):
        raise OSError(28, "No space left on device")

    def close(self):
        raise OSError(28, "No space left on device")


def test_a_full_disk_loses_no_line(tmp_path, caplog):
    """The kernel refuses what goes beyond 100 bytes of a file, then no more."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    tracker = tensorboard_tracker.TensorboardTracker(tmp_path)
    try:
        with metrics_writer.MetricsWriter(tmp_path, trackers=[Full(), tracker]) as writer:
            writer.write(0, {"loss": 0.5})
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
            for step in range(1, 40):
                writer.write(step, {"loss": 0.5})
            assert len((tmp_path / "metrics.jsonl").read_bytes()) == 100
            assert 1 <= len(metrics_writer.read(tmp_path)) <= 4
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            writer.write(40, {"loss": 0.5})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [line["step"] for line in metrics_writer.read(tmp_path)] == list(range(41))
    assert caplog.messages == [
        "metrics cannot be written: [Errno 28] No space left on device; training goes on",
    ]
