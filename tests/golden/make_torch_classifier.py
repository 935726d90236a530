"""Makes `torch_classifier.npz`: text classifiers of torch, and the probabilities that they give.

Run with torch installed (2.13.0 made the file): `python tests/golden/make_torch_classifier.py`.

The file holds a small SentencePiece model (`model`, bytes), `texts`, their ids with the end mark
(`ids`, padded with `PAD_ID`, and `lengths`), and for each classifier NAME its `state_dict`
(`NAME/weights/…`) and `NAME/probabilities`, `[texts, labels]`.
"""

from pathlib import Path

import numpy as np
import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2

PAD_ID = 0
TEXTS = ["", "a", "bad cab", "deaf head", "face a fed dad", "egg", "zebra"]
CLASSIFIERS = {
    "lstm-last": (torch.nn.LSTM, {"num_layers": 2, "bidirectional": True, "proj_size": 2}),
    "gru-mean": (torch.nn.GRU, {}),
    "lstm-max": (torch.nn.LSTM, {"bidirectional": True, "bias": False}),
    "rnn-concat": (torch.nn.RNN, {"num_layers": 2, "bidirectional": True}),
}


class Classifier(torch.nn.Module):
    """A classifier as people write it: padding is packed away and not pooled."""

    def __init__(
        self, recurrent_class, vocabulary_size, labels, pooling, dim=3, units=4, **options
    ):
        super().__init__()
        self.pooling = pooling
        self.embed = torch.nn.Embedding(vocabulary_size, dim)
        self.rnn = recurrent_class(dim, units, batch_first=True, **options)
        size = (options.get("proj_size") or units) * (1 + self.rnn.bidirectional)
        self.out = torch.nn.Linear(3 * size if pooling == "concat" else size, labels)

    def forward(self, ids, lengths):
        """Computes logits, `[batch, labels]`, of ids `[batch, time]`."""
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            self.embed(ids), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, final = self.rnn(packed)
        outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
        h_n = final[0] if isinstance(final, tuple) else final  # [layers · directions, batch, size]
        real = (torch.arange(outputs.shape[1]) < lengths[:, None])[:, :, None]
        pooled = {
            "last": torch.cat(list(h_n[-1 - self.rnn.bidirectional :]), dim=-1),
            "mean": (outputs * real).sum(1) / lengths[:, None],
            "max": outputs.masked_fill(~real, -torch.inf).amax(1),
        }
        pooled["concat"] = torch.cat(list(pooled.values()), dim=-1)
        return self.out(pooled[self.pooling])


def letter_model() -> bytes:
    """Makes a SentencePiece model whose pieces are single letters."""
    proto = sentencepiece_model_pb2.ModelProto()
    for piece, kind in [("<pad>", 3), ("<unk>", 2), ("<s>", 3), ("</s>", 3)]:
        proto.pieces.add(piece=piece, score=0.0, type=kind)
    for letter in "▁abcdefgh":
        proto.pieces.add(piece=letter, score=-1.0, type=1)
    proto.trainer_spec.model_type = proto.trainer_spec.CHAR
    for name, number in (("pad_id", 0), ("unk_id", 1), ("bos_id", 2), ("eos_id", 3)):
        setattr(proto.trainer_spec, name, number)
    return proto.SerializeToString()


def padded(rows, pad_id) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns rows of ids as one tensor, padded on the right, and their lengths."""
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), pad_id)
    for row, values in zip(ids, rows):
        row[: len(values)] = torch.as_tensor(values)
    return ids, lengths


def main():
    """Writes the file beside this one."""
    torch.manual_seed(0)
    model = letter_model()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids, lengths = padded([processor.encode(text, add_eos=True) for text in TEXTS], PAD_ID)
    arrays = {
        "model": np.frombuffer(model, np.uint8),
        "texts": np.array(TEXTS),
        "ids": ids.numpy(),
        "lengths": lengths.numpy(),
    }
    for name, (recurrent_class, options) in CLASSIFIERS.items():
        pooling = name.split("-")[1]
        module = Classifier(recurrent_class, processor.get_piece_size(), 3, pooling, **options)
        with torch.no_grad():
            for weight in module.parameters():
                weight.mul_(1.5)  # so that the probabilities differ
            probabilities = torch.softmax(module(ids, lengths), dim=-1)
        arrays[f"{name}/probabilities"] = probabilities.numpy()
        for key, weight in module.state_dict().items():
            arrays[f"{name}/weights/{key}"] = weight.numpy()
    np.savez_compressed(Path(__file__).with_name("torch_classifier.npz"), **arrays)


if __name__ == "__main__":
    main()
