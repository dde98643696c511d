"""CUDA graphs: a call of the UNet replayed without launching its thousand kernels one by one.

At Stable Diffusion's size a GPU needs less time for a row than Python needs to launch it, and an
edit makes a hundred calls of a few rows each, one after another. A graph has fixed shapes and fixed
addresses: inputs are copied into its own, outputs out of them.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor

Tensors = tuple[Tensor | None, ...]
I = TypeVar("I", bound=Tensors)  # noqa: E741
O = TypeVar("O", bound=Tensors)  # noqa: E741


class Record(Protocol):
    """Takes a call; gives its outputs, and what runs it again into the same ones."""

    def __call__(self, call: Callable[[], O], /) -> tuple[O, Callable[[], None]]:
        """Run it once."""


# Rows are padded up to one of these, so that few graphs serve all requests. The small ones are what
# a lone edit asks for; beyond, a quarter is wasted at most.
BUCKETS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
MAX_GRAPHS = 64  # graphs kept; the one that has not been used for longest goes
WARMUP_CALLS = 2  # times a shape is called as it is, before it is worth a graph


def padded(rows: int) -> int:
    """The rows of the bucket for so many; beyond the largest, as they are."""
    return next((bucket for bucket in BUCKETS if bucket >= rows), rows)


@dataclass(frozen=True)
class _Graph(Generic[I, O]):
    inputs: I
    outputs: O
    replay: Callable[[], None]


class GraphCache(Generic[I, O]):
    """A function of a tuple of tensors, replayed where the shapes have been seen before."""

    def __init__(self, function: Callable[[I], O], record: Record):
        """Take the function; nothing in it may wait for the device."""
        self._function = function
        self._record = record
        self._graphs: OrderedDict[object, _Graph[I, O]] = OrderedDict()
        self._seen: dict[object, int] = {}

    def __call__(self, given: I) -> O:
        """The function's outputs, which are the caller's own."""
        key = tuple(None if one is None else (one.shape, one.dtype) for one in given)
        if key not in self._graphs:
            self._seen[key] = self._seen.get(key, 0) + 1
            if self._seen[key] <= WARMUP_CALLS:
                return self._function(given)
            self._keep(key, given)
        graph = self._graphs[key]
        self._graphs.move_to_end(key)
        for own, one in zip(graph.inputs, given, strict=True):
            if own is not None and one is not None:
                own.copy_(one)
        graph.replay()
        return _copy(graph.outputs)

    def _keep(self, key: object, given: I) -> None:
        own = _copy(given)
        outputs, replay = self._record(lambda: self._function(own))
        self._graphs[key] = _Graph(own, outputs, replay)
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)


def _copy(tensors: I) -> I:
    """The same kind of tuple with tensors of its own."""
    copies = [None if one is None else one.detach().clone() for one in tensors]
    make: Any = getattr(tensors, "_make", tuple)  # a NamedTuple's
    return cast("I", make(copies))


class CudaRecorder:
    """Records CUDA graphs that share their memory: they are replayed one at a time."""

    def __init__(self, device: torch.device) -> None:
        """Record on a device."""
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Callable[[], O], /) -> tuple[O, Callable[[], None]]:
        """Run a call, and record it."""
        with torch.cuda.device(self._device):
            # What libraries set up at a first call must not be recorded.
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                call()
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            # Other threads may ask the device for memory meanwhile: they step and learn there.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                outputs = call()
        return outputs, graph.replay
