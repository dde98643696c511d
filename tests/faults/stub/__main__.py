"""`python -m tests.faults.stub`: a worker with a small UNet, which comes to harm on request.

A package, because the processes that decode pictures run any other main program again, and torch
with it. Everything but the UNet is the product's own. An edit's metadata say what befalls its
worker: `harm` ("kill", "stop", "error"), `at` (where), `attempts` (the first so many; all without),
and `pace`, seconds that each of its steps takes at least. Where: a stage, "written" (its pictures
are stored, its record is not) or "finished" (its record is).
"""

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from baret import Editor
from baret.engine.budget import measure
from baret.model.stable_diffusion import StableDiffusion
from core.schema import EditStatus, Record, Stage
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import Claim, EditStore
from worker.process import Factories, serve

# The bundled UNet's own layout with an eighth of its channels: some milliseconds a call.
NARROW = {"block_out_channels": (8, 16, 24), "norm_num_groups": 4, "attention_head_dim": 2}


class SmallUNet(UNet2DConditionModel):
    """A real UNet that has room for so many rows a call."""

    most_rows = 10_000

    def forward(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """As ever, unless there are too many rows."""
        if len(sample) > self.most_rows:
            raise torch.OutOfMemoryError(f"no room for {len(sample)} rows")
        return super().forward(sample, *args, **kwargs)


@dataclass(frozen=True)
class Harm:
    """What an edit does to its worker."""

    kind: str
    at: str
    attempts: int
    pace: float
    most_rows: int

    @classmethod
    def of(cls, record: Record) -> "Harm":
        """As the edit's metadata say."""
        asked = record.submission.metadata
        return cls(
            kind=asked.get("harm", ""),
            at=asked.get("at", ""),
            attempts=int(asked.get("attempts", 1_000)),
            pace=float(asked.get("pace", 0)),
            most_rows=int(asked.get("most_rows", SmallUNet.most_rows)),
        )

    def befall(self, where: str, attempt: int) -> None:
        """Do what is due here."""
        if where != self.at or attempt > self.attempts:
            return
        if self.kind == "error":
            raise RuntimeError("the edit asked for it")
        number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[self.kind]
        os.kill(os.getpid(), number)


class HarmfulStore(EditStore):
    """The real store, which knows where each edit is and so when its harm is due."""

    def __init__(self, url: str, unet: SmallUNet):
        super().__init__(connect(url))
        self._unet = unet
        self._harms: dict[str, Harm] = {}

    def get(self, edit_id: str, *, caller: str | None = None) -> Record:
        """The edit; the worker is loading its picture next."""
        record = super().get(edit_id, caller=caller)
        harm = self._harms[edit_id] = Harm.of(record)
        self._unet.most_rows = harm.most_rows
        if record.status is EditStatus.RUNNING:
            harm.befall("loading", record.attempt)
        return record

    def report(self, claim: Claim, stage: Stage, progress: float) -> bool:
        """Note how far it is."""
        canceled = super().report(claim, stage, progress)
        if harm := self._harms.get(claim.id):
            time.sleep(harm.pace)
            harm.befall(stage.value, claim.token)
        return canceled

    def finish(self, claim: Claim, status: EditStatus, **what: Any) -> None:
        """Publish the end."""
        harm = self._harms.get(claim.id)
        if harm:
            harm.befall("written", claim.token)
        super().finish(claim, status, **what)
        if harm:
            harm.befall("finished", claim.token)


def main() -> None:
    """Run as `python -m worker` does."""
    model = StableDiffusion.from_pretrained("zoo", device="cpu", dtype="float32")
    torch.manual_seed(0)
    unet = SmallUNet.from_config({**model.unet.config, **NARROW}).eval().requires_grad_(False)
    model.unet = unet
    factories = Factories(
        editor=lambda _: Editor(model, budget=measure(model)),
        store=lambda settings: HarmfulStore(settings.broker_url, unet),
    )
    serve(Settings(), factories)


if __name__ == "__main__":
    main()
