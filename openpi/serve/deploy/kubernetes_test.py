import pytest

from openpi.serve.deploy import deploy_files
from openpi.testing import manifest

# The part of the Kubernetes API that the manifest uses.
_PROBE = {
    "httpGet": {"path": str, "port": str},
    "periodSeconds": int,
    "timeoutSeconds?": int,
    "failureThreshold": int,
}
_CONTAINER = {
    "name": str,
    "image": str,
    "args": [str],
    "ports": [{"name": str, "containerPort": int}],
    "startupProbe": _PROBE,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "lifecycle": {"preStop": {"exec": {"command": [str]}}},
    "resources": {"limits": {"nvidia.com/gpu": int}},
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "capabilities": {"drop": [str]},
    },
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly?": bool}],
}
_POD = {
    "terminationGracePeriodSeconds": int,
    "automountServiceAccountToken": bool,
    "securityContext": {
        "runAsNonRoot": bool,
        "runAsUser": int,
        "runAsGroup": int,
        "fsGroup": int,
        "seccompProfile": {"type": str},
    },
    "containers": [_CONTAINER],
    "volumes": [
        {
            "name": str,
            "persistentVolumeClaim?": {"claimName": str, "readOnly": bool},
            "secret?": {"secretName": str, "defaultMode": int},
            "emptyDir?": {},
        }
    ],
}
_DEPLOYMENT = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str, "labels": {"app": str}},
    "spec": {
        "replicas": int,
        "selector": {"matchLabels": {"app": str}},
        "strategy": {"type": str, "rollingUpdate": {"maxSurge": int, "maxUnavailable": int}},
        "template": {"metadata": {"labels": {"app": str}}, "spec": _POD},
    },
}
_SERVICE = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        "selector": {"app": str},
        "sessionAffinity": str,
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": int}},
        "ports": [{"name": str, "port": int, "targetPort": str}],
    },
}


def test_kubernetes():
    deployment, service = deploy_files.manifests()
    manifest.check(deployment, _DEPLOYMENT)
    manifest.check(service, _SERVICE)
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    assert (service["apiVersion"], service["kind"]) == ("v1", "Service")
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector == deployment["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    assert service["spec"]["sessionAffinity"] == "ClientIP"

    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"websocket": deploy_files.PORT, "health": deploy_files.HEALTH_PORT}
    (exposed,) = service["spec"]["ports"]
    assert (exposed["port"], ports[exposed["targetPort"]]) == (deploy_files.PORT, deploy_files.PORT)
    for probe, path in (("startupProbe", "/readyz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "health"}
    pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pause[0] == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(pause[1]) + deploy_files.drain_seconds()

    assert pod["securityContext"]["runAsUser"] == deploy_files.USER
    assert pod["securityContext"]["runAsNonRoot"]
    mounted = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounted.keys() == {volume["name"] for volume in pod["volumes"]}
    flags = deploy_files.flags(container["args"])
    assert flags["checkpoint"].startswith(mounted["checkpoint"]["mountPath"] + "/")
    assert mounted["checkpoint"]["readOnly"]
    assert flags["api_key_file"].startswith(mounted["api-keys"]["mountPath"] + "/")
    assert mounted["cache"]["mountPath"] == deploy_files.CACHE
    with pytest.raises(AssertionError, match="livenessprobe"):
        container["livenessprobe"] = container.pop("livenessProbe")
        manifest.check(deployment, _DEPLOYMENT)
