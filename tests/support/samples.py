"""The sample photos, and parameters of edits by how long they take."""

from tests.support.commands import ROOT

SAMPLES = ROOT / "zoo" / "samples"

# The fewest steps that the contract allows, with no tuning: an edit takes about a second.
QUICK = {"num_inference_steps": 10, "inner_steps": 0}
# Some seconds: long enough to be met in the middle, and to be run again within a test's patience.
MIDDLING = {"num_inference_steps": 20, "inner_steps": 3}
# The contract's most: minutes. It is there to be canceled.
LONG = {"num_inference_steps": 100, "inner_steps": 50}
