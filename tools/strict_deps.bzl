"""The strict-dependency aspect: every import is a declared direct dep, and every declared dep is imported.

.bazelrc applies it to every build; its actions are validations, so a violation fails the build of that target.
"""

load("//third_party/python:packages.bzl", "PACKAGES")

_TOOLCHAIN = "@bazel_tools//tools/python:toolchain_type"
_OUTSIDE = "third_party/python"

_RequestInfo = provider(
    doc = "What the checker is asked about one target.",
    fields = {
        "file": "the request, as strict_deps_check.py reads it",
        "sources": "the target's own Python files",
    },
)

_StampsInfo = provider(
    doc = "The checks of a target and of all that it depends on.",
    fields = {"stamps": "depset of the files that the checks write"},
)

def _short(label):
    return "//%s:%s" % (label.package, label.name)

def _is_python(file):
    return file.extension == "py"

def _modules(dep):
    """What a direct dep lets its users import."""
    if dep.label.package == _OUTSIDE:
        return PACKAGES[dep.label.name]
    return [
        file.short_path.removesuffix(".py").replace("/", ".")
        for file in dep[DefaultInfo].files.to_list()
        if _is_python(file)
    ]

def _request_impl(target, ctx):
    label = target.label
    if label.workspace_name or label.package == _OUTSIDE or PyInfo not in target:
        return []
    sources = [file for file in ctx.rule.files.srcs if _is_python(file) and file.owner.package == label.package]
    request = ctx.actions.declare_file(label.name + ".strict_deps.json")
    ctx.actions.write(request, json.encode({
        "deps": {_short(dep.label): _modules(dep) for dep in ctx.rule.attr.deps if PyInfo in dep},
        # The py_test macro adds this one to every test.
        "implied": ["//%s:pytest" % _OUTSIDE] if ctx.rule.kind == "py_test" else [],
        "label": _short(label),
        "outside": {"//%s:%s" % (_OUTSIDE, name): modules for name, modules in PACKAGES.items()},
        "sources": {file.path: file.short_path for file in sources},
    }))
    return [_RequestInfo(file = request, sources = sources)]

_request = aspect(
    implementation = _request_impl,
    attr_aspects = ["deps"],
)

def _strict_deps_impl(target, ctx):
    stamps = [dep[_StampsInfo].stamps for dep in getattr(ctx.rule.attr, "deps", []) if _StampsInfo in dep]
    if _RequestInfo not in target:
        return [_StampsInfo(stamps = depset(transitive = stamps))]
    request = target[_RequestInfo]
    stamp = ctx.actions.declare_file(target.label.name + ".strict_deps.ok")
    arguments = ctx.actions.args()
    arguments.add_all(["-I", "-S", ctx.file._checker, request.file, stamp])
    ctx.actions.run(
        executable = ctx.toolchains[_TOOLCHAIN].py3_runtime.interpreter_path,
        arguments = [arguments],
        inputs = request.sources + [request.file, ctx.file._checker],
        outputs = [stamp],
        mnemonic = "StrictDeps",
        progress_message = "Checking the deps of %{label}",
    )
    all_stamps = depset([stamp], transitive = stamps)
    return [_StampsInfo(stamps = all_stamps), OutputGroupInfo(_validation = all_stamps)]

strict_deps = aspect(
    implementation = _strict_deps_impl,
    attr_aspects = ["deps"],
    attrs = {
        "_checker": attr.label(
            default = "//tools:strict_deps_check.py",
            allow_single_file = True,
        ),
    },
    requires = [_request],
    toolchains = [_TOOLCHAIN],
)

def _strict_deps_requests_impl(ctx):
    files = ctx.files.targets + [target[_RequestInfo].file for target in ctx.attr.targets]
    return [DefaultInfo(files = depset(files), runfiles = ctx.runfiles(files))]

strict_deps_requests = rule(
    doc = "What the aspect asks its checker about some targets, and their sources: data for tests of the checker.",
    implementation = _strict_deps_requests_impl,
    attrs = {"targets": attr.label_list(aspects = [_request])},
)
