"""The tail of an error about an unknown name: the nearest known one, and all of them."""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'? (known: x, y)`, or only the list when nothing is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"{meant} (known: {', '.join(names)})"
