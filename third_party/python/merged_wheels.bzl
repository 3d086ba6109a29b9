"""Several wheels in one folder, for libraries that look for each other beside themselves.

Each wheel is a repository of its own, but NVIDIA's shared libraries, and jax's plugin that loads them, search relative
to one common site-packages folder.
"""

_TOOLCHAIN = "@bazel_tools//tools/python:toolchain_type"

def _merged_wheels_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)
    wheels = depset(transitive = [dep[DefaultInfo].default_runfiles.files for dep in ctx.attr.deps])
    arguments = ctx.actions.args()
    arguments.use_param_file("%s", use_always = True)
    arguments.set_param_file_format("multiline")
    arguments.add_all(wheels)
    ctx.actions.run(
        executable = ctx.toolchains[_TOOLCHAIN].py3_runtime.interpreter_path,
        arguments = ["-I", "-S", ctx.file._merge.path, folder.path, arguments],
        inputs = depset([ctx.file._merge], transitive = [wheels]),
        outputs = [folder],
        mnemonic = "MergeWheels",
        # The folder's links lead to the wheels themselves, not into a sandbox.
        execution_requirements = {"no-sandbox": "1", "no-remote": "1"},
    )
    return [
        DefaultInfo(files = depset([folder]), runfiles = ctx.runfiles([folder])),
        PyInfo(
            imports = depset(["%s/%s/%s" % (ctx.workspace_name, ctx.label.package, ctx.label.name)]),
            transitive_sources = depset(),
        ),
    ]

merged_wheels = rule(
    doc = "A dep for Python targets: the given wheels and all that they depend on, in one folder on sys.path.",
    implementation = _merged_wheels_impl,
    attrs = {
        "deps": attr.label_list(providers = [PyInfo]),
        "_merge": attr.label(
            default = ":merge_wheels.py",
            allow_single_file = True,
        ),
    },
    toolchains = [_TOOLCHAIN],
)
