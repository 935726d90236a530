"""Which part is asked: the one that was made, as long as its options are what they were."""

import numpy as np

from textlstm.tasks.compiled_parts import CompiledParts


class Options:
    def __init__(self, **options):
        vars(self).update(options)


class Part:
    def __init__(self, task, *options):
        self.options = options


def test_a_part_is_made_anew_for_other_options_alone():
    parts, array = CompiledParts(None), np.arange(3)
    options = Options(rate=0.5, seeds=[1, 2], array=array, other=object(), _calls=0)
    first = parts.get(Part, 4, options)
    options._calls += 1
    options.seeds = [1, 2]
    assert parts.get(Part, 4, options) is first
    assert parts.get(Part, 5, options) is not first
    assert parts.get(Part, 4, None) is not first
    assert parts.get(Part, 4, Options(**vars(options))) is not first
    for change in (
        lambda: setattr(options, "rate", 0.6),
        lambda: options.seeds.append(3),
        lambda: array.__setitem__(0, 9),
        lambda: setattr(options, "other", object()),
    ):
        before = parts.get(Part, 4, options)
        change()
        assert parts.get(Part, 4, options) is not before


def test_no_more_than_a_few_parts_are_kept():
    parts = CompiledParts(None)
    first = parts.get(Part, 0)
    for number in range(1, 40):
        parts.get(Part, number)
    assert len(parts._parts) == 16 and parts.get(Part, 0) is not first
