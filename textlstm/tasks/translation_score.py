"""BLEU and chrF of translations, by `sacrebleu`; and a callback that tells them while training."""

from collections.abc import Sequence

import keras

from textlstm.errors import InputError


def score_translations(
    translations: Sequence[str],
    references: Sequence[str],
    *,
    language: str | None = None,
    lowercase: bool = False,
) -> dict[str, float]:
    """Scores translations with `sacrebleu`, over all of them together.

    Args:
        translations: what is scored.
        references: what each of them should be.
        language: of the texts, such as "zh", for how BLEU parts them into words; default `None`,
            that of languages with spaces (`13a`).
        lowercase: whether upper and lower case count as the same; default `False`.

    Returns:
        BLEU and chrF, each from 0 to 100, by its name and sacrebleu's signature.

    Raises:
        InputError: if `sacrebleu` is not installed, or without what it needs for Japanese and
            Korean, or there is not one reference for each.
    """
    if len(translations) != len(references) or not len(references):
        raise InputError(
            f"there are {len(translations):,} translations and {len(references):,} references; "
            "give one for each"
        )
    try:
        import sacrebleu
    except ImportError as error:
        raise InputError(
            f"translations are scored by sacrebleu, which cannot be imported ({error}); "
            'pip install "textlstm[scores]"'
        ) from error
    options = {"trg_lang": language} if language else {"tokenize": "13a"}
    try:
        bleu = sacrebleu.BLEU(lowercase=lowercase, **options)
    except RuntimeError as error:  # of languages whose words a library of their own parts
        raise InputError(
            f"sacrebleu cannot part texts in {language!r} into words; "
            f'pip install "sacrebleu[{language}]"'
        ) from error
    scores = {}
    for metric in (bleu, sacrebleu.CHRF(lowercase=lowercase)):
        score = metric.corpus_score(list(translations), [list(references)])
        scores[f"{score.name} ({metric.get_signature()})"] = score.score
    return scores


class TranslationScore(keras.callbacks.Callback):
    """Translates validation texts after every epoch, and tells the BLEU as `val_bleu`.

    Perplexity and BLEU do not always agree on the best epoch. Put an `EarlyStopping` that monitors
    `val_bleu` (`mode="max"`) behind it, and that decides.

    Args:
        texts: the validation texts, or some of them.
        references: their translations.
        language: as of `score_translations`.
        beam_size: as of `Translator.translate`; default 1, which is fast.

    Raises:
        InputError: if `sacrebleu` is not installed, or there is not one reference for each text.
    """

    def __init__(
        self,
        texts: Sequence[str],
        references: Sequence[str],
        *,
        language: str | None = None,
        beam_size: int = 1,
    ):
        super().__init__()
        self.texts = list(texts)
        self.references = list(references)
        self.language = language
        self.beam_size = beam_size
        score_translations(self.texts, self.references, language=language)  # fails now, not later

    def on_epoch_end(self, epoch, logs=None):
        """Adds `val_bleu` to the figures of the epoch."""
        translations = self.model.translate(self.texts, beam_size=self.beam_size)
        scores = score_translations(translations, self.references, language=self.language)
        logs["val_bleu"] = next(iter(scores.values()))
