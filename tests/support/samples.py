"""The sample photos, and edit parameters by how long the edit takes."""

from PIL import Image

from tests.support.commands import ROOT

SAMPLES = ROOT / "zoo" / "samples"
SAMPLE_SIZE = Image.open(SAMPLES / "00-posture.png").size  # of all of them

# The fewest steps that the API allows, and no tuning: an edit takes about a second.
QUICK = {"num_inference_steps": 10, "inner_steps": 0}
# A few seconds: a test can catch it midway, and can afford to run it again.
MIDDLING = {"num_inference_steps": 20, "inner_steps": 3}
# The most that the API allows: it takes minutes. Tests start it to cancel it.
LONG = {"num_inference_steps": 100, "inner_steps": 50}
