"""Names from outside that become file names here."""

_LONGEST_NAME = 255  # bytes: what file systems commonly allow


def check(path: str, source: str) -> str:
    """Returns `path` if it names something strictly below the folder that it is relative to.

    Args:
      path: parts joined by '/'.
      source: who gave it, for the error.

    Raises:
      ValueError: a part is empty, '.' or '..', is too long, or holds control characters or a backslash.
    """
    for part in path.split("/"):
        if part in ("", ".", "..") or "\\" in part or not part.isprintable():
            raise ValueError(f"{source} names {path!r}, which is no safe relative path; it is not fetched")
        if len(part.encode()) > _LONGEST_NAME:
            raise ValueError(
                f"{source} has a name of more than {_LONGEST_NAME} bytes: {part[:40]!r}...; it is not fetched"
            )
    return path
