"""Weights that lie in a SavedModel compressed, and are unpacked once, when it is loaded.

This file imports tensorflow; a task reaches it only when it is exported.
"""

import uuid
import zlib

import numpy as np
import tensorflow as tf

# Smaller weights save nothing worth the rounding.
_LEAST_SIZE = 1_024


def is_packed(variable) -> bool:
    """Says whether a Keras variable is one that is stored compressed: a large float32 one."""
    return variable.dtype == "float32" and variable.value.shape.num_elements() >= _LEAST_SIZE


def round_weights(model) -> None:
    """Rounds the weights of a model that are to be stored compressed to bfloat16."""
    for variable in filter(is_packed, model.variables):
        variable.assign(tf.cast(tf.cast(variable.value, tf.bfloat16), tf.float32))


class PackedWeight(tf.saved_model.experimental.TrackableResource):
    """A float32 weight of which a SavedModel holds about three of eight bytes.

    A SavedModel restores variables as they were stored, and would have to cast a 16-bit one in
    every call. This is what its lookup tables are too: a resource that is filled when the model is
    loaded, by TensorFlow's Python, by TensorFlow Serving and by the C library alike. What is
    stored, one string, is unpacked into a variable that is no part of what is stored.

    The string is zlib's of all second bytes of the bfloat16 numbers, behind all first ones: signs
    and exponents are much alike, mantissas are not.

    Args:
        value: the float32 tensor, of any shape, rounded to bfloat16 already.
        name: for people who look into the graph.
    """

    def __init__(self, value, name: str):
        super().__init__()
        self._shape = value.shape
        self._shared_name = f"{name}_{uuid.uuid4()}"
        # [numbers, 2], uint8; little-endian, as all machines are that TensorFlow is built for
        pairs = tf.bitcast(tf.reshape(tf.cast(value, tf.bfloat16), [-1]), tf.uint8)
        packed = zlib.compress(np.ascontiguousarray(pairs.numpy().T).tobytes(), level=9)
        self.stored = tf.Variable(packed, trainable=False)
        self._initialize()

    def _create_resource(self):
        return tf.raw_ops.VarHandleOp(
            dtype=tf.float32, shape=self._shape, shared_name=self._shared_name
        )

    def _destroy_resource(self):
        # Not in what is stored: of a loaded model a signature may be kept alone, which does not
        # hold its weights.
        if not tf.inside_function():
            tf.raw_ops.DestroyResourceOp(resource=self.resource_handle)

    def _initialize(self):
        data = tf.io.decode_compressed(self.stored, "ZLIB")
        pairs = tf.transpose(tf.reshape(tf.io.decode_raw(data, tf.uint8), [2, -1]))
        value = tf.reshape(tf.bitcast(pairs, tf.bfloat16), self._shape)
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=tf.cast(value, tf.float32))

    def read(self):
        """Returns the weight, float32."""
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.float32)
        return tf.ensure_shape(value, self._shape)
