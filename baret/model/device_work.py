"""What the method asks of a model besides its UNet, as routines.

h, w latent height and width · H, W pixels.
"""

from PIL import Image
from torch import Tensor

from baret.images import Pixels
from baret.model.stable_diffusion import StableDiffusion
from baret.unet.requests import Conditioning, Routine, StageProgress, on_device

# Costs in rows of the UNet. The VAE's are those at Stable Diffusion 1.5's size:
# docs/performance.md, "The lower bound".
ENCODE_COST, DECODE_COST = 1.4, 3.1
# In latent pixels: CLIP ViT-L/14 on 224 pixels is a tenth of a row of 64×64, by its operations.
SAFETY_CHECK_COST = 400


def encode(model: StableDiffusion, pixels: Pixels, progress: StageProgress) -> Routine[Tensor]:
    """Encode pixels [H, W, 3]: z_0, [4, h, w]."""
    cost = ENCODE_COST * pixels.shape[0] * pixels.shape[1] / model.multiple**2
    return (yield from on_device(progress, lambda: model.encode(pixels), cost))


def decode(model: StableDiffusion, latents: Tensor, progress: StageProgress) -> Routine[Pixels]:
    """Decode a latent [4, h, w] to pixels [H, W, 3]."""
    cost = DECODE_COST * latents.shape[-2] * latents.shape[-1]
    return (yield from on_device(progress, lambda: model.decode(latents.to(model.device)), cost))


def embed(
    model: StableDiffusion, prompt: str, size: tuple[int, int], stage: str
) -> Routine[tuple[Conditioning, Conditioning]]:
    """Return c and ∅ for latents of a size (h, w); both are of the same length."""
    pixels = size[0] * model.multiple, size[1] * model.multiple
    progress = StageProgress(stage, 0, 0.0)
    return (yield from on_device(progress, lambda: model.embed_with_empty(prompt, pixels), 0))


def is_refused(
    model: StableDiffusion, image: Image.Image, progress: StageProgress
) -> Routine[bool]:
    """Return whether the model has a safety checker that refuses an image."""
    checker = model.safety_checker
    if checker is None:
        return False
    return (yield from on_device(progress, lambda: checker.refuses(image), SAFETY_CHECK_COST))
