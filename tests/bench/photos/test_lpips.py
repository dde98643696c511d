import pytest
import torch

from bench.photos.errors import WeightsError
from bench.photos.lpips import NETS, Lpips

CPU = torch.device("cpu")


def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, 1, 3, 96, 128, generator=generator)
    return first, 0.8 * first + 0.2 * second


# torchmetrics 1.9.0's own class on torchvision 0.28.0's backbones with the same weights.
@pytest.mark.parametrize(
    ("net", "expected"), [("alex", 0.0071581495), ("vgg", 0.0109452773), ("squeeze", 0.0052865217)]
)
def test_the_distance_is_that_of_torchmetrics(net, expected, lpips_weights):
    lpips = Lpips(net, lpips_weights(net), CPU)
    edited, photo = images()
    assert lpips.distance(edited, photo) == pytest.approx(expected, rel=1e-4)
    assert lpips.distance(photo, photo) == 0


def test_weights_are_read_from_torchvisions_own_file_too(lpips_weights, tmp_path):
    from safetensors.torch import load_file

    torch.save(load_file(lpips_weights("squeeze")), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    edited, photo = images()
    ours = Lpips("squeeze", lpips_weights("squeeze"), CPU).distance(edited, photo)
    theirs = Lpips("squeeze", tmp_path / "squeezenet1_1-b8a52dc0.pth", CPU)
    assert theirs.distance(edited, photo) == ours


@pytest.mark.parametrize("net", NETS)
def test_a_file_that_is_missing_says_which_one_is_wanted(net, tmp_path):
    with pytest.raises(WeightsError, match=r"--lpips-weights torchvision's file \w+-\w+"):
        Lpips(net, tmp_path / "none.pth", CPU)


@pytest.mark.parametrize("name", ["wrong.pth", "wrong.safetensors"])
def test_a_file_of_something_else_is_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"\0" * 64)
    with pytest.raises(WeightsError, match="--lpips-weights"):
        Lpips("alex", tmp_path / name, CPU)


def test_weights_of_another_net_are_refused(lpips_weights):
    with pytest.raises(WeightsError, match="--lpips-weights"):
        Lpips("vgg", lpips_weights("squeeze"), CPU)


def test_a_pickle_with_code_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (tmp_path.joinpath("harmed").touch, ())

    torch.save({"features.0.weight": Harm()}, tmp_path / "harm.pth")
    with pytest.raises(WeightsError):
        Lpips("alex", tmp_path / "harm.pth", CPU)
    assert not (tmp_path / "harmed").exists()
