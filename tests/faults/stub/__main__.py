"""`python -m tests.faults.stub`: a worker with a small UNet, which fails on request.

Everything but the UNet is the product's own. It is a package because the processes that decode
images import any other main program again, and torch with it.

An edit's metadata say what happens to its worker:
    harm: "kill", "stop" or "error".
    at: where; a stage, "written" (the images are stored, the record is not) or "finished" (the
        record is).
    attempts: how many of its attempts do harm; all of them if not given.
    pace: the minimum seconds of each step.
    hold: a file; the edit stays in its editing stage while that file exists.
    max_rows: rows for which the device has room.

The page at / gives no metadata: while the file exists that STUB_HOLD names, edits stay at their
previews.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from baret import Editor
from baret.engine.budget import measure
from core.schema import EditStatus, Record, Stage
from core.settings import Settings
from core.store.claims import Claim
from core.store.connection import connect
from core.store.edits import EditStore
from tests.support.small_model import small_model, small_unet
from worker.metrics import CallMetrics
from worker.process import Factories, serve


class SmallUNet(UNet2DConditionModel):
    """A real UNet with room for a given number of rows per call."""

    max_rows = 10_000

    def forward(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run out of memory if there are too many rows."""
        if len(sample) > self.max_rows:
            raise torch.OutOfMemoryError(f"no room for {len(sample)} rows")
        return super().forward(sample, *args, **kwargs)


@dataclass(frozen=True)
class Harm:
    """What an edit does to its worker."""

    kind: str
    at: str
    attempts: int
    pace: float
    hold: str
    max_rows: int

    @classmethod
    def of(cls, record: Record) -> "Harm":
        """Read it from the edit's metadata."""
        metadata = record.submission.metadata
        return cls(
            kind=metadata.get("harm", ""),
            at=metadata.get("at", ""),
            attempts=int(metadata.get("attempts", 1_000)),
            pace=float(metadata.get("pace", 0)),
            hold=metadata.get("hold", ""),
            max_rows=int(metadata.get("max_rows", SmallUNet.max_rows)),
        )

    def strike(self, where: str, attempt: int) -> None:
        """Do harm if this is the place and the attempt for it."""
        if where != self.at or attempt > self.attempts:
            return
        if self.kind == "error":
            raise RuntimeError("requested by the edit")
        number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[self.kind]
        os.kill(os.getpid(), number)


class HarmfulStore(EditStore):
    """The real store. It sees where each edit is, and so when to do harm."""

    def __init__(self, url: str, unet: UNet2DConditionModel):
        super().__init__(connect(url))
        self._unet = unet
        self._harms: dict[str, Harm] = {}

    def get(self, edit_id: str, *, caller: str | None = None) -> Record:
        """Return the edit; the worker loads its image next."""
        record = super().get(edit_id, caller=caller)
        harm = self._harms[edit_id] = Harm.of(record)
        self._unet.max_rows = harm.max_rows
        if record.status is EditStatus.RUNNING:
            harm.strike("loading", record.attempt)
        return record

    def report(self, claim: Claim, stage: Stage, progress: float) -> bool:
        """Store how far the edit is."""
        canceled = super().report(claim, stage, progress)
        if harm := self._harms.get(claim.id):
            time.sleep(harm.pace)
            while stage is Stage.EDITING and harm.hold and Path(harm.hold).exists():
                time.sleep(0.02)
            harm.strike(stage.value, claim.token)
        return canceled

    def preview(self, claim: Claim, data: dict[str, Any]) -> None:
        """Publish a preview, and stay there while edits are held."""
        super().preview(claim, data)
        hold = os.environ.get("STUB_HOLD")
        while hold and Path(hold).exists():
            time.sleep(0.02)

    def finish(self, claim: Claim, status: EditStatus, **what: Any) -> None:
        """Publish the end."""
        harm = self._harms.get(claim.id)
        if harm:
            harm.strike("written", claim.token)
        super().finish(claim, status, **what)
        if harm:
            harm.strike("finished", claim.token)


def main() -> None:
    """Run like `python -m worker`."""
    unet = small_unet(SmallUNet)
    model = small_model(unet)
    factories = Factories(
        editor=lambda settings: Editor(
            model,
            budget=measure(model),
            on_call=CallMetrics(settings.model_name).record,
        ),
        store=lambda settings: HarmfulStore(settings.broker_url, unet),
    )
    serve(Settings(), factories)


if __name__ == "__main__":
    main()
