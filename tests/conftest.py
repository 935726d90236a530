"""What all tests share: quiet TensorFlow, one thread a worker, and a small tokenizer and model."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
