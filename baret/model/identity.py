"""What a model's weights are: their digest, which files they came from, how much they take.

A digest of gigabytes takes seconds. It is kept in a file of the user's cache under the fingerprint
of the files it was made from, so that a model that is loaded again is not digested again.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import torch

MIN_BYTES = 2**26  # of weights: a digest of fewer takes no longer than a look into the cache
MAX_KEPT = 100  # digests; the oldest are dropped
# Whose releases may turn the same files into other weights.
_LIBRARIES = ("baret", "torch", "diffusers", "transformers")


def fingerprint_of(paths: Iterable[Path], options: str) -> str:
    """Return what identifies files without reading them: path, device, inode, size, mtime.

    Args:
        paths: files, or folders with everything in them.
        options: how they are loaded, in any form.
    """
    digest = hashlib.sha256(options.encode())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (one for one in files if one.is_file()):
            found = file.stat()  # of a link, what it leads to
            identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            digest.update(f"{file.resolve()} {identity}\n".encode())
    return digest.hexdigest()


def identity_of(
    modules: Iterable[torch.nn.Module], traits: str, fingerprint: str | None = None
) -> str:
    """Return a SHA-256 over all weights and the traits, from the cache if it is there.

    Args:
        modules: with the weights.
        traits: what else makes it the model that it is.
        fingerprint: of the files that the weights came from; None: they came from none.
    """
    modules = tuple(modules)
    if fingerprint is None or weight_bytes(modules) < MIN_BYTES:
        return _digest(modules, traits)
    key, known = hashlib.sha256(f"{fingerprint} {traits}".encode()).hexdigest(), _read()
    if key not in known:
        known[key] = _digest(modules, traits)
        _write(dict(list(known.items())[-MAX_KEPT:]))
    return known[key]


def weight_bytes(modules: Iterable[torch.nn.Module]) -> int:
    """Return how many bytes the parameters and buffers of modules take."""
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
    }
    return sum(storages.values())


def _digest(modules: Iterable[torch.nn.Module], traits: str) -> str:
    digest = hashlib.sha256(traits.encode())
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _cache_file() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "baret", "digests.json")


def _read() -> dict[str, str]:
    try:
        found = json.loads(_cache_file().read_text())
    except (OSError, ValueError, RuntimeError):  # none, damaged, or no home folder
        return {}
    return found if isinstance(found, dict) else {}


def _write(known: dict[str, str]) -> None:
    """Replace the file whole, for this user alone. If it cannot be written, go on without it."""
    with suppress(OSError, RuntimeError):
        path = _cache_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            json.dump(known, file)
        Path(name).replace(path)
