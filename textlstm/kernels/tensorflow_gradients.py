"""Where TensorFlow keeps the gradients of `tf.custom_gradient`, and how they are let go of."""

import weakref

import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

_HELD = "_textlstm_gradients"


def move_gradient_to_graph(results) -> None:
    """Moves the gradient of a `tf.custom_gradient` from TensorFlow's registry to its graph.

    The registry's entry becomes one that looks for the gradient in the graph, as long as there is
    one. (The registry has no public way to replace an entry; should it change, its test says so.)

    Args:
        results: what the function with the gradient returned. Eager ones have no graph, and
            nothing of theirs is registered.
    """
    if tf.executing_eagerly():
        return
    operation = tf.nest.flatten(results)[0].op
    name = operation.get_attr("_gradient_op_type").decode()
    graph = operation.graph
    entry = gradient_registry._registry[name]
    if not hasattr(graph, _HELD):
        setattr(graph, _HELD, {})
    getattr(graph, _HELD)[name] = entry["type"]
    graph = weakref.ref(graph)

    def gradient(operation, *d_results):
        holder = graph()
        if holder is None:
            raise LookupError(
                f"The gradient of {operation.name!r} went with the graph that the operation was "
                "copied from. Keep the model or function that was traced while gradients of its "
                "copy are asked for."
            )
        return getattr(holder, _HELD)[name](operation, *d_results)

    entry["type"] = gradient
