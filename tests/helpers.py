"""What several tests need by name."""

import keras
import numpy as np

# What people send to a server: nothing, white space, control characters, broken UTF-8, emoji,
# writing from right to left, several scripts at once.
HARD_TEXTS = [
    b"",
    b"   \t\n ",
    b"\x00",
    b"a\x00b\x01\x02",
    b"\xff\xfe\xc3(\xe2\x82 broken",
    "👩‍👩‍👧‍👦🎉 nice".encode(),
    "الخدمة ممتازة".encode(),
    "שירות טוב".encode(),
    "很好 good très bien ひどい".encode(),
    "ﬁne ½ Ａ \u0301\u0301".encode(),
]


def rewinder(model):
    """Returns a function that sets a model and its optimizer back to what they are now.

    A new model would do, too, but its training step would have to be traced anew.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    values = [np.array(variable) for variable in variables]

    def rewind():
        keras.utils.set_random_seed(0)
        for variable, value in zip(variables, values):
            variable.assign(value)

    return rewind
