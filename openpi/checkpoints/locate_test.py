import http.server
import pathlib
import threading

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from openpi.checkpoints import locate

CHECKPOINT = pathlib.Path(__file__).parent / "testdata" / "checkpoint_tiny_pi0"


def test_a_step_or_a_run_by_path(tmp_path, monkeypatch):
    assert locate.find_step_dir(CHECKPOINT) == CHECKPOINT.absolute()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "12").symlink_to(CHECKPOINT.absolute())
    monkeypatch.chdir(tmp_path)
    assert locate.find_step_dir("run") == tmp_path / "run" / "12"


def test_weights_in_pytorch_format_are_a_checkpoint_too(tmp_path):
    safetensors_numpy.save_file({"a": np.zeros(2, np.float32)}, tmp_path / "model.safetensors")
    assert locate.find_step_dir(tmp_path) == tmp_path
    assert locate.find_step_dir(tmp_path / "model.safetensors") == tmp_path
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match=r"other.safetensors is a file, not a checkpoint"):
        locate.find_step_dir(tmp_path / "other.safetensors")


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a checkpoint"):
        locate.find_step_dir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        locate.find_step_dir(tmp_path / "nothing")


def test_a_url_is_fetched(tmp_path, monkeypatch):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(CHECKPOINT))

        def log_message(self, *args):
            pass

    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = locate.local(f"http://127.0.0.1:{server.server_port}/assets/tiny_robot/norm_stats.json")
        server.shutdown()
    assert found.is_relative_to(tmp_path)
    assert found.read_bytes() == (CHECKPOINT / "assets/tiny_robot/norm_stats.json").read_bytes()
    monkeypatch.setenv("OPENPI_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="gs://bucket/pi0"):
        locate.find_step_dir("gs://bucket/pi0")
