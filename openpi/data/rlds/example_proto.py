"""The message tf.train.Example, declared to the protobuf runtime: for tests that write records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "openpi.testing"


def _field(message: Any, name: str, number: int, kind: int, *, type_name: str = "", repeated: bool = False) -> Any:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    type_name = f".{_PACKAGE}.{type_name}" if type_name else None
    return message.field.add(name=name, number=number, type=kind, type_name=type_name, label=label)


def _declare() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="openpi_example.proto", package=_PACKAGE, syntax="proto3")
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    lists = {"BytesList": _Field.TYPE_BYTES, "FloatList": _Field.TYPE_FLOAT, "Int64List": _Field.TYPE_INT64}
    for number, (name, kind) in enumerate(lists.items(), 1):
        _field(file.message_type.add(name=name), "value", 1, kind, repeated=True)
        field = f"{name[:-4].lower()}_list"
        _field(feature, field, number, _Field.TYPE_MESSAGE, type_name=name).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, _Field.TYPE_STRING)
    _field(entry, "value", 2, _Field.TYPE_MESSAGE, type_name="Feature")
    _field(features, "feature", 1, _Field.TYPE_MESSAGE, type_name="Features.FeatureEntry", repeated=True)
    _field(file.message_type.add(name="Example"), "features", 1, _Field.TYPE_MESSAGE, type_name="Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


Example = _declare()


def serialize(features: Mapping[str, np.ndarray | Sequence[bytes | str]]) -> bytes:
    """An Example with these features: arrays of floats or integers (flattened), or lists of bytes or text."""
    example = Example()
    for key, values in features.items():
        feature = example.features.feature[key]
        if not isinstance(values, np.ndarray):
            feature.bytes_list.SetInParent()
            feature.bytes_list.value.extend(v.encode() if isinstance(v, str) else v for v in values)
        else:
            kind = feature.float_list if values.dtype.kind == "f" else feature.int64_list
            kind.SetInParent()
            kind.value.extend((values + 0).ravel().tolist())  # bool becomes int
    return example.SerializeToString(deterministic=True)
