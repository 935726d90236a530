"""Tensors by name, wherever they are: a module of torch, a mapping, a file."""

import os
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from textlstm.errors import InputError


def read_tensors(source, prefix: str = "") -> dict[str, np.ndarray]:
    """Reads the tensors of a torch module, a `state_dict` or a `.safetensors` file.

    Args:
        source: as in `from_torch`.
        prefix: name of the module inside of `source` whose tensors are wanted; default all.

    Returns:
        Arrays by name, without the prefix.

    Raises:
        InputError: if the source cannot be read, or has no such module.
    """
    if hasattr(source, "state_dict"):
        source = source.state_dict()
    elif isinstance(source, (str, os.PathLike)):
        source = _read_file(Path(source))
    elif not isinstance(source, Mapping):
        raise InputError(
            f"the weights are of type {type(source).__name__}; give a torch module, a state_dict "
            "or the path of a .safetensors file"
        )
    start = prefix.rstrip(".") + "." if prefix else ""
    tensors = {
        name[len(start) :]: to_numpy(tensor)
        for name, tensor in source.items()
        if name.startswith(start)
    }
    if not tensors:
        raise InputError(
            f"no tensor's name begins with {start!r}; the weights hold {', '.join(source)}"
        )
    return tensors


def _read_file(path: Path) -> dict[str, np.ndarray]:
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path}: only .safetensors files are read; write one in torch with "
            "safetensors.torch.save_file(module.state_dict(), path)"
        )
    safetensors = import_safetensors()
    try:
        return safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a .safetensors file ({error})") from error
    except TypeError as error:  # NumPy has no bfloat16
        raise InputError(
            f"{path}: holds numbers of a type that NumPy does not know ({error}); save the module "
            "as module.float()"
        ) from error


def import_safetensors():
    """Returns the package `safetensors`, or says how to get it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise InputError(
            "the package for .safetensors files is not installed; pip install safetensors"
        ) from error
    return safetensors


def to_numpy(tensor) -> np.ndarray:
    """Returns a tensor of torch or Keras, or an array, as an array that NumPy can compute with."""
    if hasattr(tensor, "detach"):  # torch's, maybe on another device
        tensor = tensor.detach().cpu()
        tensor = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
        return tensor.numpy()
    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
