from tools.testdata.strict_deps import leaf


def values():
    import numpy as np

    from tools.testdata.strict_deps import good

    return np.full(2, leaf.VALUE) + good.VALUES
