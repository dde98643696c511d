import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from bench.photos.clip import Clip, directional, similarity
from bench.photos.errors import WeightsError

CPU = torch.device("cpu")
RED = Image.new("RGB", (48, 40), "red")


def test_similarity_is_clips_own_cosine_times_100(clip_folder):
    """Compare with CLIPModel's logits, which are the cosines times its temperature."""
    clip = Clip(str(clip_folder), CPU)
    text = "a photo of a cat"
    model = CLIPModel.from_pretrained(clip_folder)
    images = CLIPImageProcessorPil.from_pretrained(clip_folder)(RED, return_tensors="pt")
    tokens = CLIPTokenizer.from_pretrained(clip_folder)(text, return_tensors="pt")
    with torch.no_grad():
        output = model(**images, input_ids=tokens.input_ids)
    cosine = output.logits_per_image.item() / model.logit_scale.exp().item()
    assert clip.image(RED) @ clip.text(text) == pytest.approx(cosine, abs=1e-5)


def test_an_opposite_picture_counts_as_nothing():
    right, left = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])
    assert similarity(right, right) == 100
    assert similarity(right, left) == 0  # torchmetrics' CLIPScore is also cut at 0


def test_a_text_beyond_clips_length_is_cut(clip_folder):
    clip = Clip(str(clip_folder), CPU)
    assert clip.text("a cat " * 50).norm().item() == pytest.approx(1)


def test_directional_compares_the_changes():
    before, caption = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    change = torch.tensor([0.1, 0.2, 0.0])
    assert directional(before, before + change, caption, caption + 3 * change) == pytest.approx(1)
    assert directional(before, before + change, caption, caption - change) == pytest.approx(-1)
    assert directional(before, before, caption, caption + change) is None


def test_a_folder_without_weights_says_what_to_give(tmp_path):
    with pytest.raises(WeightsError, match="--clip"):
        Clip(str(tmp_path), CPU)
