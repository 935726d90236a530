"""What every cell of textlstm is: one step of a recurrence, in two halves.

A cell is also a cell of Keras: `keras.layers.RNN(cell)` runs it unchanged.
"""

import keras
from keras import ops


class Cell(keras.layers.Layer):
    """One time step of a recurrent network.

    A step is written in two halves, so that a kernel can take the first one out of the loop over
    time and do it for all steps as a single matrix product:

    1. `project_inputs(inputs)`: what depends on the inputs alone. Called with
       `[batch, features]` or with a whole sequence, `[batch, time, features]`.
    2. `step(projected, states)`: the recurrence, for one step.

    To write a cell of your own, set `state_size` and `output_size` in `__init__` and write `step`,
    and `project_inputs` if there is something to project. A plain Keras cell (a layer with
    `state_size` and `call(inputs, states)`) works in `textlstm.layers.RNN` as well; nothing is
    hoisted out of its loop then.

    Attributes:
        state_size: int, or list of ints, one for each state tensor.
        output_size: int, the size of the output of a step.
    """

    state_size: int | list[int]
    output_size: int

    def project_inputs(self, inputs):
        """Computes what depends on the inputs alone.

        Args:
            inputs: `[batch, features]` or `[batch, time, features]`.

        Returns:
            What `step` takes, with the same leading axes; by default the inputs themselves.
        """
        return inputs

    def add_noise(self, projected, training: bool = False):
        """Appends random numbers for `step` to what `project_inputs` gave; a hook.

        A loop over time may not draw random numbers in its body under every backend. A cell that
        needs some draws them here, for all steps at once, puts them beside the projected inputs in
        the last axis, and takes them off again in `step`.

        Args:
            projected: what `project_inputs` gave, `[batch, …]` or `[batch, time, …]`.
            training: whether the step is part of training.

        Returns:
            What `step` takes, with the same leading axes; by default `projected`.
        """
        return projected

    def for_sequence(self, training: bool = False) -> "Cell":
        """Returns the cell that runs one sequence; a hook for weights that are disturbed.

        What is random in a weight is drawn here, once for a sequence, and put into a cell like this
        one: weights may not change from step to step.

        Args:
            training: whether the sequence is part of training.
        """
        return self

    def step(self, projected, states, training: bool = False):
        """Computes one step of the recurrence.

        Args:
            projected: what `project_inputs` and `add_noise` gave for this step, `[batch, …]`.
            states: list of tensors `[batch, size]`, one for each of `state_size`.
            training: whether the step is part of training.

        Returns:
            `(output, new_states)`: `[batch, output_size]` and a list like `states`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `step`.")

    def call(self, inputs, states, training: bool = False):
        """Computes one whole step, as `keras.layers.RNN` asks for it.

        Args:
            inputs: `[batch, features]`.
            states: list of tensors `[batch, size]`.
            training: whether the step is part of training.

        Returns:
            `(output, new_states)`, as `step` does.
        """
        cell = self.for_sequence(training=training)
        projected = cell.add_noise(cell.project_inputs(inputs), training=training)
        return cell.step(projected, states, training=training)

    def get_initial_state(self, batch_size) -> list:
        """Returns the states before the first step: zeros, `[batch_size, size]` each."""
        sizes = [self.state_size] if isinstance(self.state_size, int) else self.state_size
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]
