"""The strict-dependency aspect: every import is a declared direct dep, and every declared dep is imported.

.bazelrc applies it to every build; its actions are validations, so a violation fails the build of that target.
"""

load("//third_party/python:packages.bzl", "PACKAGES")

_TOOLCHAIN = "@bazel_tools//tools/python:toolchain_type"
_OUTSIDE = "third_party/python"

_StrictDepsInfo = provider(
    doc = "The checks of a target and of all that it depends on.",
    fields = {"stamps": "depset of the files that the checks write"},
)

def _provided(dep):
    """What a direct dep lets its users import."""
    label = dep.label
    if label.package == _OUTSIDE:
        return PACKAGES[label.name]
    return [
        file.short_path.removesuffix(".py").replace("/", ".")
        for file in dep[DefaultInfo].files.to_list()
        if file.extension == "py"
    ]

def _strict_deps_impl(target, ctx):
    deps = [dep for dep in getattr(ctx.rule.attr, "deps", []) if PyInfo in dep]
    stamps = [dep[_StrictDepsInfo].stamps for dep in deps if _StrictDepsInfo in dep]
    label = target.label
    if label.workspace_name or label.package == _OUTSIDE or PyInfo not in target:
        return [_StrictDepsInfo(stamps = depset(transitive = stamps))]

    sources = [
        file
        for file in ctx.rule.files.srcs
        if file.extension == "py" and file.owner.package == label.package
    ]
    request = ctx.actions.declare_file(label.name + ".strict_deps.json")
    stamp = ctx.actions.declare_file(label.name + ".strict_deps.ok")
    ctx.actions.write(request, json.encode({
        "deps": {
            _short(dep.label): _provided(dep)
            for dep in deps
        },
        # The pytest macro adds this one to every test.
        "implied": ["//%s:pytest" % _OUTSIDE] if ctx.rule.kind == "py_test" else [],
        "label": _short(label),
        "outside": {"//%s:%s" % (_OUTSIDE, name): modules for name, modules in PACKAGES.items()},
        "sources": {file.path: file.short_path for file in sources},
    }))
    arguments = ctx.actions.args()
    arguments.add_all(["-I", "-S", ctx.file._checker, request, stamp])
    ctx.actions.run(
        executable = ctx.toolchains[_TOOLCHAIN].py3_runtime.interpreter_path,
        arguments = [arguments],
        inputs = sources + [request, ctx.file._checker],
        outputs = [stamp],
        mnemonic = "StrictDeps",
        progress_message = "Checking the deps of %{label}",
    )
    all_stamps = depset([stamp], transitive = stamps)
    return [_StrictDepsInfo(stamps = all_stamps), OutputGroupInfo(_validation = all_stamps)]

def _short(label):
    return "//%s:%s" % (label.package, label.name)

strict_deps = aspect(
    implementation = _strict_deps_impl,
    attr_aspects = ["deps"],
    attrs = {
        "_checker": attr.label(
            default = "//tools:strict_deps_check.py",
            allow_single_file = True,
        ),
    },
    toolchains = [_TOOLCHAIN],
)
