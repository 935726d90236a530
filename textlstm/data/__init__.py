"""Where text comes from, encoded corpora, and batches of like length."""

from textlstm.data.batches import BucketedBatches as BucketedBatches
from textlstm.data.corpus import EncodedCorpus as EncodedCorpus
from textlstm.data.examples import Example as Example
from textlstm.data.examples import Source as Source
from textlstm.data.sample import SampleSource as SampleSource
from textlstm.data.sample import sample_reviews as sample_reviews
from textlstm.data.sample import written_reviews as written_reviews
from textlstm.data.sources import open_source as open_source
from textlstm.data.splitting import Split as Split
from textlstm.data.splitting import part_of as part_of
from textlstm.data.splitting import split_examples as split_examples
