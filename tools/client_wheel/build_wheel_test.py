"""The wheel installs where there is nothing else, without a network, and asks a real server."""

import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import uv

from openpi.client import base_policy
from openpi.server import served
from tools.client_wheel import build_wheel

_DRIVE = """
import sys
import numpy as np
from openpi.client import action_chunk_broker, websocket_client_policy
from openpi.runtime import runtime
for absent in ("jax", "flax", "absl", "openpi.server"):
    try:
        __import__(absent)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{absent} should not be here")
with websocket_client_policy.WebsocketClientPolicy(port=int(sys.argv[1]), connect_timeout=10, image_format="png") as policy:
    broker = action_chunk_broker.ActionChunkBroker(policy, 2)
    for row in range(2):
        action = broker.infer({"state": np.arange(3.0), "images": {"cam": np.full((8, 8, 3), 9, np.uint8)}})["actions"]
        np.testing.assert_array_equal(action, np.arange(3.0) + 9 + row)
print("driven")
"""


class _Adds(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["state"] + obs["images"]["cam"].mean() + np.arange(2)[:, None]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel.build(tmp_path_factory.mktemp("wheel"))


def _uv(*arguments):
    environment = {**os.environ, "UV_NO_CACHE": "1", "UV_OFFLINE": "1", "UV_NO_CONFIG": "1", "HOME": os.devnull}
    subprocess.run([uv.find_uv_bin(), "--quiet", *arguments], check=True, env=environment)


def test_the_wheel_is_small_and_holds_no_tests(wheel, tmp_path):
    assert wheel.name == "openpi_client-0.1.0-py3-none-any.whl"
    assert wheel.stat().st_size < 100_000
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"openpi/client/websocket_client_policy.py", "openpi/client/check.py", "openpi/runtime/runtime.py"} <= names
    assert not [name for name in names if "test" in name or name == "openpi/__init__.py"]
    assert build_wheel.build(tmp_path).read_bytes() == wheel.read_bytes()


def test_it_installs_alone_and_drives_a_server(wheel, tmp_path):
    wheels = [str(path.parent.resolve()) for path in pathlib.Path("..").glob("*pypi_*/*.whl")]
    assert wheels, "the wheels of its dependencies are among this test's data"
    python = tmp_path / "venv/bin/python"
    _uv("venv", "--python", sys.executable, str(tmp_path / "venv"))
    links = [argument for folder in wheels for argument in ("--find-links", folder)]
    _uv("pip", "install", "--python", str(python), "--no-index", *links, str(wheel))
    with served.serve(_Adds(), {"openpi": {"image_formats": ["png"]}}) as running:
        for arguments in (["-c", _DRIVE, str(running.port)], ["-m", "openpi.client.check", running.url]):
            done = subprocess.run(
                [str(python), "-I", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr + done.stdout
            assert "driven" in done.stdout or "health    OK" in done.stdout
