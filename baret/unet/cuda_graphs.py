"""CUDA graphs: replay a call of the UNet instead of launching its thousand kernels one by one.

At Stable Diffusion's size a GPU computes a row in less time than Python needs to launch it, and an
edit makes a hundred calls of a few rows each, one after another. A graph has fixed shapes and fixed
addresses, so inputs are copied into its buffers and outputs out of them.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor

Tensors = tuple[Tensor | None, ...]
Inputs = TypeVar("Inputs", bound=Tensors)
Outputs = TypeVar("Outputs", bound=Tensors)


class GraphRecorder(Protocol):
    """Runs a call once; returns its outputs and a function that runs it again into them."""

    def __call__(self, call: Callable[[], Outputs], /) -> tuple[Outputs, Callable[[], None]]:
        """Run and record a call."""


# Rows are padded up to one of these, so that few graphs serve all requests. The small ones are what
# a single edit requests; above them, at most a quarter of a call is padding.
BUCKETS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
MAX_GRAPHS = 64  # kept at once; the least recently used one is dropped
WARMUP_CALLS = 2  # direct calls of a shape before it is worth recording


def padded_rows(rows: int) -> int:
    """Return the size of the smallest bucket that holds the rows; above the largest, the rows."""
    return next((bucket for bucket in BUCKETS if bucket >= rows), rows)


@dataclass(frozen=True)
class _Graph(Generic[Inputs, Outputs]):
    inputs: Inputs
    outputs: Outputs
    replay: Callable[[], None]


class GraphCache(Generic[Inputs, Outputs]):
    """A function of a tuple of tensors that is replayed for shapes it has been called with."""

    def __init__(self, function: Callable[[Inputs], Outputs], recorder: GraphRecorder):
        """Take the function, in which nothing may wait for the device."""
        self._function = function
        self._recorder = recorder
        self._graphs: OrderedDict[object, _Graph[Inputs, Outputs]] = OrderedDict()
        self._calls: dict[object, int] = {}  # by shape

    def __call__(self, inputs: Inputs) -> Outputs:
        """Return the function's outputs, in tensors that no later call writes to."""
        key = tuple(None if tensor is None else (tensor.shape, tensor.dtype) for tensor in inputs)
        if key not in self._graphs:
            self._calls[key] = self._calls.get(key, 0) + 1
            if self._calls[key] <= WARMUP_CALLS:
                return self._function(inputs)
            self._record(key, inputs)
        graph = self._graphs[key]
        self._graphs.move_to_end(key)
        for buffer, tensor in zip(graph.inputs, inputs, strict=True):
            if buffer is not None and tensor is not None:
                buffer.copy_(tensor)
        graph.replay()
        return _copy(graph.outputs)

    def _record(self, key: object, inputs: Inputs) -> None:
        buffers = _copy(inputs)
        outputs, replay = self._recorder(lambda: self._function(buffers))
        self._graphs[key] = _Graph(buffers, outputs, replay)
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)


def _copy(tensors: Inputs) -> Inputs:
    """Copy every tensor, and keep the kind of tuple."""
    copies = [None if tensor is None else tensor.detach().clone() for tensor in tensors]
    make: Any = getattr(tensors, "_make", tuple)  # a NamedTuple's
    return cast("Inputs", make(copies))


class CudaRecorder:
    """Records CUDA graphs that share one memory pool, since only one is replayed at a time."""

    def __init__(self, device: torch.device) -> None:
        """Record on a device."""
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Callable[[], Outputs], /) -> tuple[Outputs, Callable[[], None]]:
        """Run and record a call."""
        with torch.cuda.device(self._device):
            # What libraries set up on a first call must not be recorded, so call once on a side
            # stream.
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                call()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # Edits' own threads may allocate device memory meanwhile, in their steps and updates.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                outputs = call()
        return outputs, graph.replay
