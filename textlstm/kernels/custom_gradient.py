"""A gradient of one's own that lets go of the graph it was traced in."""

from contextlib import contextmanager
from contextvars import ContextVar

import keras
from keras import ops

_declared = ContextVar("declared", default=True)


def custom_gradient(function):
    """`keras.ops.custom_gradient`, whose graphs are freed under TensorFlow.

    For each call in a graph `tf.custom_gradient` registers the gradient for the life of the
    process, and the gradient holds the graph: a process that makes many models would keep the
    graphs of all. Here the graph holds its gradients, and what is registered only finds them there.

    Args:
        function: takes tensors; returns results and a function of the results' gradients that
            returns those of the tensors.

    Returns:
        A function of the same tensors that returns the results.
    """
    run = ops.custom_gradient(function)
    if keras.backend.backend() != "tensorflow":
        return run

    from textlstm.kernels.tensorflow_gradients import move_gradient_to_graph

    def run_in_graph(*tensors):
        if not _declared.get():
            return function(*tensors)[0]
        results = run(*tensors)
        move_gradient_to_graph(results)
        return results

    return run_in_graph


@contextmanager
def without_gradients():
    """Leaves gradients undeclared, of which an export would write the graphs, too.

    Those who ask for a gradient nevertheless get the one that TensorFlow derives.
    """
    token = _declared.set(False)
    try:
        yield
    finally:
        _declared.reset(token)
