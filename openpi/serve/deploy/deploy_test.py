"""The deploy files, as far as they can be looked at without a host for them, and what they start, started."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml

from openpi.client import base_policy
from openpi.serve.deploy import deploy_files
from openpi.server import served
from openpi.testing import manifest, program

_ROOT = pathlib.Path(__file__).parents[3]

_COMPOSE = {
    "services": {
        "serve": {
            "image": str,
            "command": [str],
            "ports": [str],
            "volumes": [{"type": str, "source": str, "target": str, "read_only?": bool}],
            "secrets": [str],
            "user": str,
            "read_only": bool,
            "tmpfs": [str],
            "cap_drop": [str],
            "security_opt": [str],
            "init": bool,
            "restart": str,
            "stop_signal": str,
            "stop_grace_period": str,
            "deploy": {
                "resources": {"reservations": {"devices": [{"driver": str, "count": int, "capabilities": [str]}]}}
            },
        }
    },
    "secrets": {"api_keys": {"file": str}},
    "volumes": {"cache": {}},
}


@pytest.mark.parametrize("name", deploy_files.arguments())
def test_the_program_takes_the_flags_of_each_file(name, tmp_path):
    """It reads them all, and then misses the file of keys, which is not here: exit code 1; a flag it does not know is 2."""
    arguments = deploy_files.arguments()[name]
    keys = deploy_files.flags(arguments)["api_key_file"]
    done = program.run("openpi/serve", *arguments, cwd=tmp_path)
    assert f"API keys cannot be read from {keys}" in done.stderr.splitlines()[-1]
    assert done.returncode == 1


def test_an_unknown_flag_would_be_found(tmp_path):
    done = program.run("openpi/serve", *deploy_files.arguments()["Dockerfile"], "--health-prot=1", cwd=tmp_path)
    assert done.returncode == 2


@pytest.mark.parametrize("name", deploy_files.arguments())
def test_each_file_serves_other_machines_with_keys_on_the_same_ports(name):
    flags = deploy_files.flags(deploy_files.arguments()[name])
    assert "insecure" not in " ".join(deploy_files.arguments()[name])
    assert flags["host"] == "0.0.0.0"
    assert flags["api_key_file"]
    assert (int(flags["port"]), int(flags["health_port"])) == (deploy_files.PORT, deploy_files.HEALTH_PORT)


def test_the_launcher_starts_the_folder_that_bazel_made(tmp_path):
    """From a copy of the launcher beside the files that Bazel (or this tree) has for the program."""
    shutil.copy(deploy_files.HERE / "openpi-serve", tmp_path)
    command = [str(tmp_path / "openpi-serve"), "--checkpoint=none"]
    missing = subprocess.run(command, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert missing.stderr.startswith("openpi-serve: ")
    assert missing.stderr.count("\n") == 1

    runfiles = tmp_path / "serve.runfiles"
    if "RUNFILES_DIR" in os.environ or (_ROOT.parent / "_main").is_dir():
        runfiles.symlink_to(_ROOT.parent)
    else:
        runfiles.mkdir()
        (runfiles / "_main").symlink_to(_ROOT)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        env=environment | {"PYTHON": sys.executable, "OPENPI_DATA_HOME": str(tmp_path / "data")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no checkpoint at" in done.stderr
    assert done.returncode == 1


def test_the_image():
    instructions = deploy_files.docker()
    known = {"FROM", "RUN", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions} <= known
    values = dict(instructions)
    assert instructions[0] == ("FROM", "python:3.11-slim-bookworm")  # the wheels are for this Python
    assert "python3.11" in deploy_files.text("openpi-serve")
    assert values["USER"] == f"{deploy_files.USER}:{deploy_files.USER}"
    assert f"--uid {deploy_files.USER} " in values["RUN"]
    assert [name for name, _ in instructions].index("USER") > [name for name, _ in instructions].index("COPY")
    assert values["STOPSIGNAL"] == "SIGTERM"
    assert values["EXPOSE"] == f"{deploy_files.PORT} {deploy_files.HEALTH_PORT}"
    assert values["VOLUME"] == deploy_files.CACHE
    assert f"OPENPI_DATA_HOME={deploy_files.CACHE} " in values["ENV"]
    (launcher,) = deploy_files.docker_list("ENTRYPOINT")
    assert launcher == f"{values['COPY'].split()[-1]}/openpi-serve"
    assert os.access(deploy_files.HERE / "openpi-serve", os.X_OK)


def test_the_healthcheck_of_the_image_asks_whether_it_is_ready():
    """Its command, run: against a server that is ready, and against none."""
    python, minus_c, code = deploy_files.docker_list("HEALTHCHECK")
    assert (python, minus_c) == ("python3.11", "-c")
    assert code.count(f"127.0.0.1:{deploy_files.HEALTH_PORT}/readyz") == 1

    def ask(port):
        asked = code.replace(f":{deploy_files.HEALTH_PORT}", f":{port}")
        return subprocess.run([sys.executable, "-c", asked], capture_output=True, check=False).returncode

    with served.serve(_Echo()) as running:
        assert ask(running.port) == 0
    assert ask(running.port) == 1


class _Echo(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["x"]}


def test_compose():
    whole = yaml.safe_load(deploy_files.text("compose.yaml"))
    manifest.check(whole, _COMPOSE)
    service = whole["services"]["serve"]
    assert service["user"] == f"{deploy_files.USER}:{deploy_files.USER}"
    assert (service["read_only"], service["cap_drop"], service["stop_signal"]) == (True, ["ALL"], "SIGTERM")
    assert [port.split(":")[-1] for port in service["ports"]] == [str(deploy_files.PORT), str(deploy_files.HEALTH_PORT)]
    flags = deploy_files.flags(service["command"])
    mounts = {mount["target"]: mount for mount in service["volumes"]}
    assert mounts[flags["checkpoint"]]["read_only"]
    assert mounts[deploy_files.CACHE]["source"] in whole["volumes"]
    assert flags["api_key_file"] == f"/run/secrets/{service['secrets'][0]}"
    assert service["secrets"] == list(whole["secrets"])
    assert int(service["stop_grace_period"].removesuffix("s")) > deploy_files.drain_seconds()


def test_the_unit():
    unit = deploy_files.unit()
    assert int(unit["TimeoutStopSec"][0]) > deploy_files.drain_seconds()
    assert unit["KillSignal"] == ["SIGTERM"]
    assert unit["Restart"] == ["on-failure"]
    assert "kill -HUP $MAINPID" in unit["ExecReload"]
    assert unit["DynamicUser"] == ["yes"]
    (name, _) = unit["LoadCredential"][0].split(":")
    assert deploy_files.flags(deploy_files.arguments()["openpi-serve.service"])["api_key_file"] == f"%d/{name}"
    assert unit["Environment"] == [f"OPENPI_DATA_HOME={deploy_files.CACHE}"]
    assert f"/var/cache/{unit['CacheDirectory'][0]}" == deploy_files.CACHE


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze here (Debian: apt-get install systemd)"
)
def test_systemd_takes_the_unit(tmp_path):
    """With a program that exists in place of the installed one; and it would tell of a setting that it does not know."""

    def verify(text):
        (tmp_path / "openpi-serve.service").write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "openpi-serve.service")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, [line for line in done.stderr.splitlines() if "openpi-serve.service" in line]

    text = deploy_files.text("openpi-serve.service").replace("/opt/openpi/openpi-serve", shutil.which("true"))
    assert verify(text) == (0, [])
    assert verify(text.replace("RestrictRealtime=", "RestrictRealtimes="))[1]
    assert verify(deploy_files.text("openpi-serve.service"))[0]
