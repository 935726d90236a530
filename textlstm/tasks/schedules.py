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


@keras.saving.register_keras_serializable(package="textlstm")
class SlantedTriangularSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a short line and falls in a long one.

    With T steps in all, of which C = cut · T rise, at step t:

        rate · (1 + p · (ratio − 1)) / ratio      p = t / C                  t < C
                                                  p = (T − t) / (T − C)      C ≤ t ≤ T

    Args:
        learning_rate: the highest.
        steps: the steps of the whole training: epochs times batches in an epoch.
        cut: share of the steps in which it rises; default 0.1.
        ratio: how many times as high as the lowest the highest is; default 32.

    Raises:
        InputError: if an argument is out of its range.

    Example:
        >>> rate = SlantedTriangularSchedule(4e-3, steps=5 * len(batches))
        >>> model.compile(discriminative_adam(model, rate))

    References:
        - Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018.
    """

    def __init__(self, learning_rate: float, steps: int, cut: float = 0.1, ratio: float = 32.0):
        super().__init__()
        if not learning_rate > 0 or not 0 < cut < 1 or not ratio >= 1 or steps < 1:
            raise InputError(
                "a slanted triangle has a learning rate above 0, 1 or more steps, a cut in (0, 1) "
                f"and a ratio of 1 or more; got {learning_rate=}, {steps=}, {cut=}, {ratio=}"
            )
        self.learning_rate = learning_rate
        self.steps = steps
        self.cut = cut
        self.ratio = ratio

    def __call__(self, step):
        """Returns the rate at a step."""
        step = keras.ops.minimum(keras.ops.cast(step, "float32"), float(self.steps))
        rising = self.cut * self.steps
        share = keras.ops.minimum(step / rising, (self.steps - step) / (self.steps - rising))
        return self.learning_rate * (1 + share * (self.ratio - 1)) / self.ratio

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "cut": self.cut,
            "ratio": self.ratio,
        }
