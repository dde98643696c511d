"""What an operator with several models writes, and what is refused."""

from pathlib import Path

import pytest

from core.model_settings import each_model
from core.settings import Settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "MODELS", "VAE", "LORA", "DTYPE"):
        monkeypatch.delenv(f"BARET_{name}", raising=False)


def test_two_checkpoints_with_a_vae_and_loras_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARET_MODELS", "/m/photo-v2.safetensors, /m/anime.safetensors")
    monkeypatch.setenv("BARET_VAE__PHOTO_V2", "/m/photo-vae.safetensors")
    monkeypatch.setenv("BARET_VAE__ANIME", "/m/anime-vae.safetensors")
    monkeypatch.setenv("BARET_LORA__PHOTO_V2", "/m/film.safetensors:0.8,/m/hat.safetensors")
    monkeypatch.setenv("BARET_LORA", "/m/all.safetensors")
    photo, anime = each_model(Settings())
    assert (photo.model_name, photo.model_path) == ("photo-v2", "/m/photo-v2.safetensors")
    assert (photo.vae, anime.vae) == ("/m/photo-vae.safetensors", "/m/anime-vae.safetensors")
    assert photo.lora == "/m/film.safetensors:0.8,/m/hat.safetensors"
    assert anime.lora == "/m/all.safetensors"  # that of all models


def test_one_checkpoint_under_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARET_MODELS", "plain=zoo,ink=zoo")
    monkeypatch.setenv("BARET_DTYPE__INK", "bfloat16")
    plain, ink = each_model(Settings())
    assert [(one.model_name, one.model_path) for one in (plain, ink)] == [
        ("plain", "zoo"),
        ("ink", "zoo"),
    ]
    assert (plain.dtype, ink.dtype) == ("auto", "bfloat16")


def test_one_model_is_the_short_form() -> None:
    (only,) = each_model(Settings(model="zoo"))
    assert (only.model_name, only.models) == ("zoo", "")


def test_the_default_model_is_the_named_one_or_the_first() -> None:
    assert Settings(models="a,b").default_model_name == "a"
    assert Settings(models="a,b", model="b").default_model_name == "b"
    assert Settings(model="b").default_model_name == "b"


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a=b.safetensors"
    path.touch()
    settings = Settings(model=str(path))
    assert (settings.model_name, settings.model_path) == ("a=b", str(path))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"BARET_MODELS": "/a/x.safetensors,/b/x.safetensors"}, "two models x"),
        ({"BARET_MODELS": "x-1=zoo,x_1=zoo"}, "two models x-1"),
        ({"BARET_MODELS": "a,b", "BARET_VAE__C": "v"}, "BARET_VAE__C is for a model"),
        ({"BARET_MODELS": "a,b", "BARET_DTYPE__A": "int4"}, "BARET_DTYPE__A"),
    ],
)
def test_what_contradicts_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        each_model(Settings())
