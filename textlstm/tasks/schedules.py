"""Learning rates that change over a training."""

import keras

from textlstm.errors import InputError


def cosine_schedule(
    learning_rate: float, steps: int, warmup: float = 0.0
) -> keras.optimizers.schedules.CosineDecay:
    """Makes a learning rate that rises in a line, then falls to a fiftieth along a cosine.

    With T steps in all, of which W = warmup · T, rounded, warm up, at step t:

        rate · t / W                                                 t < W
        rate · (0.02 + 0.98 · (1 + cos(π (t − W) / (T − W))) / 2)    W ≤ t ≤ T

    It is Keras's `CosineDecay`; only the share of the warm-up is turned into steps here.

    Args:
        learning_rate: the highest.
        steps: the steps of the whole training: epochs times batches in an epoch.
        warmup: the share of the steps in which the rate rises from 0; default 0.

    Raises:
        InputError: if an argument is out of its range.

    Example:
        >>> rate = cosine_schedule(2e-3, steps=5 * len(batches), warmup=0.1)
        >>> model.compile(Adam(rate, global_clipnorm=1.0))

    References:
        - Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017.
        - Goyal et al., Accurate, Large Minibatch SGD, 2017 (the warm-up).
    """
    if not learning_rate > 0:
        raise InputError(f"the learning rate must be above 0; got {learning_rate!r}")
    if not 0 <= warmup < 1:
        raise InputError(f"warmup is a share of the training, in [0, 1); got {warmup!r}")
    rising = round(warmup * steps)
    falling = max(1, steps - rising)
    if not rising:
        return keras.optimizers.schedules.CosineDecay(learning_rate, falling, alpha=0.02)
    return keras.optimizers.schedules.CosineDecay(
        0.0, falling, alpha=0.02, warmup_target=learning_rate, warmup_steps=rising
    )
