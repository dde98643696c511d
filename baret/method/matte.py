"""The matte at full size: how much of the edit each pixel of the photo shows.

h, w working height and width · H, W the photo's.

Beyond the paper. A matte found at the working size and merely enlarged crosses the photo's outlines
in a wide blur. The guided filter (He, Sun and Tang, TPAMI 2013) explains it by the photo's colours
in every small window, as a·I + b. Its fast form (arXiv 1505.00996) finds a and b at the working
size. Enlarged, and applied to the photo at full size, they follow its outlines. Only the border of
the matte does: within what is shown for certain, outlines are those of what had to go.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from baret.images import Alpha, Pixels

# Of the shorter side: how far from a pixel its window reaches. A matte's border is about as wide.
WINDOW = 0.1
SMOOTHNESS = 1e-3  # ε: the variance of colours, 0–1, that counts as an outline
BAND = 256  # rows at a time, so that memory grows with the photo's width alone


def refine(alpha: Alpha, photo: Pixels, working: Pixels) -> Image.Image:
    """Return a matte [h, w] at the photo's size, following its outlines: L, white shows the edit.

    Args:
        alpha: [h, w], 0 shows the photo, 1 the edit.
        photo: [H, W, 3].
        working: [h, w, 3], the photo at the working size.
    """
    reach = max(1, round(WINDOW * min(alpha.shape)))
    matte = torch.from_numpy(np.ascontiguousarray(alpha))
    model = _linear_model(matte, torch.from_numpy(working.astype(np.float32) / 255), reach)
    model = torch.cat([model, matte[None]])
    refined = np.concatenate([_apply(*band) for band in _bands(model, photo)])
    return Image.fromarray(refined)


def _linear_model(alpha: Tensor, guide: Tensor, reach: int) -> Tensor:
    """Return a and b of each window, averaged around each pixel, [4, h, w].

    Args:
        alpha: p, [h, w].
        guide: I, [h, w, 3], 0–1.
        reach: of the windows, in pixels.
    """
    planes = guide.permute(2, 0, 1)
    mean, mean_alpha = _mean(planes, reach), _mean(alpha[None], reach)[0]
    products = (planes[:, None] * planes[None]).flatten(0, 1)
    covariance = _mean(products, reach).view(3, 3, *alpha.shape) - mean[:, None] * mean[None]
    together = _mean(planes * alpha, reach) - mean * mean_alpha  # [3, h, w]
    matrix = covariance.permute(2, 3, 0, 1) + SMOOTHNESS * torch.eye(3)
    slope = torch.linalg.solve(matrix, together.permute(1, 2, 0)).permute(2, 0, 1)
    offset = mean_alpha - (slope * mean).sum(0)
    return _mean(torch.cat([slope, offset[None]]), reach)


def _mean(field: Tensor, reach: int) -> Tensor:
    """Average over a square around each pixel, [c, h, w]."""
    wide = pad(field[None], (reach,) * 4, mode="replicate")
    return avg_pool2d(wide, 2 * reach + 1, stride=1)[0]


def _bands(model: Tensor, photo: Pixels) -> Iterator[tuple[Tensor, Pixels]]:
    """Yield bands of the model and the matte, enlarged to [5, rows, W], with the photo's."""
    size = photo.shape[1], photo.shape[0]
    planes = [Image.fromarray(plane.numpy()) for plane in model]
    for top in range(0, size[1], BAND):
        bottom = min(size[1], top + BAND)
        scale = model.shape[1] / size[1]
        box = (0.0, top * scale, float(model.shape[2]), bottom * scale)
        enlarged = [
            np.asarray(plane.resize((size[0], bottom - top), Image.Resampling.BILINEAR, box))
            for plane in planes
        ]
        yield torch.from_numpy(np.stack(enlarged)), photo[top:bottom]


def _apply(model: Tensor, photo: Pixels) -> Pixels:
    """Return a·I + b as gray levels, [rows, W], held to the matte where that is certain."""
    guide = torch.from_numpy(photo.astype(np.float32) / 255).permute(2, 0, 1)
    refined, alpha = (model[:3] * guide).sum(0) + model[3], model[4]
    refined = refined.maximum(2 * alpha - 1).minimum(2 * alpha)
    gray: Pixels = (refined.clamp(0, 1) * 255).round().byte().numpy()
    return gray
