"""Where text comes from, encoded corpora, batches of like length, pretrained word vectors."""

from textlstm.data.batches import BucketedBatches
from textlstm.data.corpus import EncodedCorpus
from textlstm.data.encoded_pairs import EncodedPairs, PairBatches
from textlstm.data.examples import Example, Source
from textlstm.data.neighbour_vectors import own_vectors
from textlstm.data.pair_sources import open_pairs
from textlstm.data.pair_splitting import PairSplit, split_pairs
from textlstm.data.pairs import Pair, PairSource
from textlstm.data.phrase_book import PhraseBookSource
from textlstm.data.sample import SampleSource, sample_reviews, written_reviews
from textlstm.data.sources import open_source
from textlstm.data.splitting import Split, part_of, split_examples
from textlstm.data.stream_batches import StreamBatches, TextBatches
from textlstm.data.text_sources import PythonTopics, open_texts
from textlstm.data.text_splitting import EndSplit, TextSplit, split_texts
from textlstm.data.texts import Text, TextSource
from textlstm.data.word_vectors import (
    VectorCoverage,
    WordVectors,
    initialize_embedding,
    load_word_vectors,
)

__all__ = [
    "BucketedBatches",
    "EncodedCorpus",
    "EncodedPairs",
    "EndSplit",
    "Example",
    "Pair",
    "PairBatches",
    "PairSource",
    "PairSplit",
    "PhraseBookSource",
    "PythonTopics",
    "SampleSource",
    "Source",
    "Split",
    "StreamBatches",
    "Text",
    "TextBatches",
    "TextSource",
    "TextSplit",
    "VectorCoverage",
    "WordVectors",
    "initialize_embedding",
    "load_word_vectors",
    "open_pairs",
    "open_source",
    "open_texts",
    "own_vectors",
    "part_of",
    "sample_reviews",
    "split_examples",
    "split_pairs",
    "split_texts",
    "written_reviews",
]
