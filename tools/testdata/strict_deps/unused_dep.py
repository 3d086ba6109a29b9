from tools.testdata.strict_deps import leaf

VALUE = leaf.VALUE
