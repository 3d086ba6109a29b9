"""The launch files, as far as they can be looked at without a cluster."""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

from openpi.testing import manifest

_HERE = pathlib.Path(__file__).parent

# The part of the JobSet, Job and Pod APIs that the manifest uses.
_CONTAINER = {
    "name": str,
    "image": str,
    "workingDir": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str, "value?": str, "valueFrom?": {"fieldRef": {"fieldPath": str}}}],
    "ports": [{"containerPort": int}],
    "resources": {"limits": {"nvidia.com/gpu": int}},
    "volumeMounts": [{"name": str, "mountPath": str}],
}
_POD = {
    "restartPolicy": str,
    "terminationGracePeriodSeconds": int,
    "containers": [_CONTAINER],
    "volumes": [{"name": str, "persistentVolumeClaim?": {"claimName": str}, "emptyDir?": {"medium": str}}],
}
_JOB = {
    "completionMode": str,
    "completions": int,
    "parallelism": int,
    "backoffLimit": int,
    "template": {"spec": _POD},
}
_JOBSET = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        "network": {"enableDNSHostnames": bool},
        "failurePolicy": {"maxRestarts": int},
        "replicatedJobs": [{"name": str, "replicas": int, "template": {"spec": _JOB}}],
    },
}


@pytest.fixture
def jobset():
    return yaml.safe_load((_HERE / "jobset.yaml").read_text(encoding="utf-8"))


def test_the_manifest_is_a_jobset(jobset):
    manifest.check(jobset, _JOBSET)
    assert (jobset["apiVersion"], jobset["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    jobset["spec"]["network"]["enableDnsHostnames"] = True
    with pytest.raises(AssertionError, match="enableDnsHostnames"):
        manifest.check(jobset, _JOBSET)


def test_its_pods_find_one_another(jobset):
    (group,) = jobset["spec"]["replicatedJobs"]
    job = group["template"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    flags = dict(arg.split("=", 1) for arg in container["args"] if "=" in arg)
    name, port = jobset["metadata"]["name"], container["ports"][0]["containerPort"]
    # <jobset>-<replicated job>-<its number>-<pod's index>.<subdomain, by default the jobset's name>
    assert flags["--coordinator"] == f"{name}-{group['name']}-0-0.{name}:{port}"
    assert job["completionMode"] == "Indexed"
    assert group["replicas"] == 1
    assert int(flags["--num_processes"]) == job["completions"] == job["parallelism"]
    (variable,) = re.findall(r"^\$\((\w+)\)$", flags["--process_id"])
    assert variable in [entry["name"] for entry in container["env"]]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in job["template"]["spec"]["volumes"]}


@pytest.mark.parametrize(
    ("restarts", "ends_with", "resumes", "requeued"),
    [("", 0, False, False), ("1", 0, True, False), ("2", 143, True, True)],
)
def test_the_slurm_script(tmp_path, restarts, ends_with, resumes, requeued):
    """With a srun and a scontrol that write down what they are asked."""
    for tool, code in (("srun", ends_with), ("scontrol", 0)):
        (tmp_path / tool).write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" > {tmp_path}/{tool}.asked\nexit {code}\n')
        (tmp_path / tool).chmod(0o755)
    train = tmp_path / "bazel-bin" / "openpi" / "train" / "train"
    train.parent.mkdir(parents=True)
    train.touch(mode=0o755)
    done = subprocess.run(
        ["bash", str(_HERE / "slurm.sh"), "--config=experiments/aloha.py", "--config.exp_name=two words"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "SLURM_JOB_ID": "7",
            **({"SLURM_RESTART_COUNT": restarts} if restarts else {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ends_with, "")
    asked = (tmp_path / "srun.asked").read_text().splitlines()
    assert "bazel-bin/openpi/train/train" in asked
    assert "--distributed=slurm" in asked
    assert "--config.exp_name=two words" in asked
    assert ("--config.resume" in asked) == resumes
    assert (tmp_path / "scontrol.asked").exists() == requeued
    if requeued:
        assert (tmp_path / "scontrol.asked").read_text().split() == ["requeue", "7"]


def test_the_slurm_script_says_what_is_not_built(tmp_path):
    done = subprocess.run(
        ["bash", str(_HERE / "slurm.sh"), "--config=experiments/aloha.py"],
        env={"PATH": os.environ["PATH"], "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "bazel-bin/openpi/train/train; build it and make the link" in done.stderr
