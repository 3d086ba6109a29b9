"""A wheel that puts a folder of its own on sys.path by a .pth file, which only an installed Python reads."""

def _pth_wheel_impl(ctx):
    wheel = ctx.attr.wheel
    folder = "%s/site-packages/%s" % (wheel.label.workspace_name, ctx.attr.folder)
    return [
        DefaultInfo(runfiles = wheel[DefaultInfo].default_runfiles),
        PyInfo(
            imports = depset([folder], transitive = [wheel[PyInfo].imports]),
            transitive_sources = wheel[PyInfo].transitive_sources,
        ),
    ]

pth_wheel = rule(
    doc = "A dep for Python targets: the wheel, and the folder that its .pth file names.",
    implementation = _pth_wheel_impl,
    attrs = {
        "folder": attr.string(mandatory = True),
        "wheel": attr.label(
            mandatory = True,
            providers = [PyInfo],
        ),
    },
)
