import numpy as np

from tools.testdata.strict_deps import leaf

VALUES = np.full(2, leaf.VALUE)
