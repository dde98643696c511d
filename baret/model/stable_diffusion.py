"""Stable Diffusion as the method needs it: text, latents, noise, schedule.

b batch · n tokens · d text width · h, w latent height and width · H, W pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, Self

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from baret.errors import ModelError, NotFinite, UnsupportedModel, memory_errors
from baret.images import Pixels
from baret.method.ddim import Schedule
from baret.model.description import (
    FULL,
    LoadOptions,
    ModelDescription,
    Sampling,
    native_latent_size,
)
from baret.model.embeddings import tokens_of
from baret.model.identity import identity_of, weight_bytes
from baret.model.layout import SIZE_IDS, SUPPORTED, count_size_ids, family_of_unet
from baret.model.loading import load_pipeline
from baret.model.prediction import confirm
from baret.model.probe import Verdict, probe
from baret.model.prompts import Hint, PromptReader
from baret.model.safety import SafetyChecker, load_safety_checker
from baret.model.text_encoders import TextEncoders
from baret.model.world import World
from baret.options import ModelOptions
from baret.unet.requests import AddedConditions, Conditioning, stack_added, stack_embeddings

PREDICTIONS = ("epsilon", "v_prediction")
# LCMs take guidance as an input, w − 1. This is the value that their pipeline takes by default.
_GUIDANCE_INSIDE = 7.5


class StableDiffusion:
    """A loaded Stable Diffusion 1.x, 2.x or XL, frozen.

    Attributes:
        device, dtype: where and in what the UNet runs.
        native_size: pixels on a side of the square it was trained on.
        multiple: what both sides of an image must be divisible by.
        safety_checker: the one that came with the model, or None.
        world: what it was trained on, as far as its folder says.
        licence: as the model card says, or "unknown".
        description: what it is and by what that was found; None if made of parts.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        device: torch.device,
        dtype: torch.dtype,
        licence: str,
        world: World = World(),  # noqa: B008 - frozen
        safety_checker: SafetyChecker | None = None,
        description: ModelDescription | None = None,
    ):
        """Take the parts of a loaded pipeline.

        Args:
            pipeline: diffusers' `StableDiffusionPipeline` or `StableDiffusionXLPipeline`.
            device, dtype, licence, world, safety_checker, description: see the class.

        Raises:
            UnsupportedModel: the latents do not have 4 channels, the prediction type is unknown,
                the UNet takes other conditions than texts and sizes, or weights are missing or not
                finite.
        """
        self.device, self.dtype, self.licence = device, dtype, licence
        self.world, self.safety_checker, self.description = world, safety_checker, description
        self.unet = pipeline.unet
        self._vae, self._texts = pipeline.vae, TextEncoders(pipeline)
        self._scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
        self._prediction: str = self._scheduler.config.prediction_type
        self._check_config()
        self._reader = PromptReader(
            self._texts.tokenizer.backend_tokenizer,
            length=self._texts.length,
            known_words=world.known_words,
            max_windows=description.max_windows if description else 1,
            added_words=self._added_words,
        )
        _check_weights(self._parts)
        for module in self._parts:
            module.requires_grad_(False).eval().to(device)
        # The VAE stays in float32: it bounds how exactly a photo can come back, and that of Stable
        # Diffusion XL overflows in float16.
        self._vae.float()
        self.unet.to(memory_format=torch.channels_last)
        self._vae.to(memory_format=torch.channels_last)
        self._alphas = self._scheduler.alphas_cumprod.to(device)
        self.multiple: int = 2 ** (len(self._vae.config.block_out_channels) - 1)
        self.native_size = self._find_native_size()
        self._guidance = self._embed_guidance(pipeline)
        self.gradient_scale = 4096.0 if dtype == torch.float16 else 1.0

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        device: str = "auto",
        dtype: str | torch.dtype = "auto",
        options: ModelOptions | None = None,
        content_check: bool = True,
    ) -> Self:
        """Load a model, and call its UNet once to see whether it is what it seems.

        Args:
            name_or_path: a bundled model ("zoo"), a diffusers folder, a `.safetensors` file or a
                hub id.
            device: "auto" takes CUDA if there is one.
            dtype: of UNet and text encoder; "auto" is float16 on CUDA, else float32.
            options: what to take it for; None finds out.
            content_check: use the safety checker that comes with a folder or hub id.

        Raises:
            ModelError: the model cannot be loaded; the message says what to set.
        """
        torch_device = find_device(device)
        torch_dtype = dtype_on(dtype, torch_device)
        given = asdict(options or ModelOptions())
        loaded = load_pipeline(name_or_path, LoadOptions(**given, dtype=torch_dtype))
        checker = None
        if content_check:
            checker = load_safety_checker(
                name_or_path,
                loaded.folder,
                device=torch_device,
                dtype=torch_dtype,
                variant=loaded.description.variant,
            )
        model = cls(
            loaded.pipeline,
            device=torch_device,
            dtype=torch_dtype,
            licence=loaded.description.licence,
            world=World.read(loaded.folder),
            safety_checker=checker,
            description=loaded.description,
        )
        model._try_out(loaded.description)
        return model

    def _try_out(self, description: ModelDescription) -> None:
        """Call the UNet once; go on in bfloat16 if it overflows, and settle what it predicts.

        Raises:
            ModelError: its numbers are not finite, or contradict what the model claims.
        """
        verdict, notes = self._probe(), description.notes
        if verdict == "not finite" and self.widen():
            verdict = self._probe()
            notes += (
                "Its numbers overflow in float16, so it runs in bfloat16. Set BARET_DTYPE=bfloat16 "
                "to load it so.",
            )
        if verdict == "not finite":
            raise ModelError(f"{description.name}: {self.explain_overflow()}")
        prediction = description.prediction
        if prediction is not None:
            prediction, doubts = confirm(prediction, verdict, description.name)
            self._prediction, notes = prediction.type, notes + doubts
            self.native_size = self._find_native_size()
        self.description = replace(
            description, prediction=prediction, notes=notes, native_size=self.native_size
        )

    def _probe(self) -> Verdict:
        side = self.native_size // self.multiple
        side = min(side, max(16, side // 2))  # smaller, for speed; as deep as UNets halve it
        text = self.embed("")

        def call(latents: Tensor, steps: Tensor) -> Tensor:
            texts = [text] * len(latents)
            return self._call(latents, steps, stack_embeddings(texts), stack_added(texts))

        return probe(call, self._alphas, (4, side, side))

    def widen(self) -> bool:
        """Let a model that overflows in float16 run in bfloat16, which has float32's range.

        Returns:
            Whether that changed anything: not if it is in another dtype already.
        """
        if self.dtype != torch.float16:
            return False
        identity = self.identity  # stays that of the weights as they were loaded
        self.dtype, self.gradient_scale = torch.bfloat16, 1.0
        self.unet.to(torch.bfloat16)
        self._texts.to(torch.bfloat16)
        self.__dict__["identity"] = identity
        return True

    @property
    def _parts(self) -> tuple[Any, ...]:
        """What has weights."""
        return (self._vae, *self._texts.modules, self.unet)

    @cached_property
    def identity(self) -> str:
        """SHA-256 over all weights as loaded, the prediction type, and how texts are read."""
        traits = [self._prediction]
        if self._scheduler.config.rescale_betas_zero_snr:
            traits.append("zero-snr")
        if self.description and self.description.max_windows > 1:
            traits.append("windows")
        traits += (f"{word}={ids}" for word, ids in self._added_words.items())
        fingerprint = self.description.fingerprint if self.description else None
        return identity_of(self._parts, " ".join(traits), fingerprint)

    @property
    def weight_bytes(self) -> int:
        """How many bytes the weights take, where they are."""
        checker = () if self.safety_checker is None else (self.safety_checker.module,)
        return weight_bytes((*self._parts, *checker))

    def _find_native_size(self) -> int:
        config = self.unet.config
        family = family_of_unet(config)
        return self.multiple * native_latent_size(config.sample_size, family, self._prediction)

    @property
    def sampling(self) -> Sampling:
        """The steps and the guidance of an edit whose caller gives none."""
        return self.description.sampling if self.description else FULL

    def _check_config(self) -> None:
        config, is_xl = self.unet.config, self._texts.is_xl
        added = config.get("addition_embed_type")
        if config.in_channels != 4 or added != ("text_time" if is_xl else None):
            raise UnsupportedModel(f"Only text-to-image {SUPPORTED} is supported.")
        if is_xl:
            pooled = self._texts.modules[1].config.projection_dim
            if count_size_ids(config, pooled) != SIZE_IDS:
                raise UnsupportedModel(
                    "The UNet takes other conditions than Stable Diffusion XL, as its refiner does."
                )
        if self._prediction not in PREDICTIONS:
            raise UnsupportedModel(f"Prediction type {self._prediction!r} is not supported.")

    def _embed_guidance(self, pipeline: Any) -> Tensor | None:
        """Return the guidance that an LCM's UNet takes as an input, [1, d]; others take none."""
        width = self.unet.config.get("time_cond_proj_dim")
        if not width:
            return None
        embedded: Tensor = pipeline.get_guidance_scale_embedding(
            torch.tensor([_GUIDANCE_INSIDE]), embedding_dim=width
        )
        return embedded.to(self.device)

    @property
    def dtype_name(self) -> str:
        """The UNet's dtype without its module, such as "float32"."""
        return str(self.dtype).removeprefix("torch.")

    def schedule(self, steps: int) -> Schedule:
        """Return the levels that `steps` DDIM steps visit."""
        config = self._scheduler.config
        return Schedule.leading(
            self._scheduler.alphas_cumprod,
            steps,
            offset=config.steps_offset,
            first=float(self._scheduler.final_alpha_cumprod),
        )

    def tokens(self, prompt: str) -> list[str]:
        """Return the tokens that the model reads of a text, without start and end tokens."""
        return self._reader.tokens(prompt)

    def places(self, prompt: str) -> list[int]:
        """Return the place of each of the `tokens` in the text's embedding."""
        return self._reader.places(prompt)

    @property
    def _added_words(self) -> dict[str, list[int]]:
        """The words that embeddings taught the model, each with the ids of its tokens."""
        added = self.description.added_words if self.description else {}
        return {
            word: self._texts.tokenizer.convert_tokens_to_ids(tokens_of(word, vectors))
            for word, vectors in added.items()
        }

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Return the words that the model was not trained with, in lower case, in order.

        For a model without a `words.txt` every word counts as known.
        """
        return self._reader.unknown_words(prompt)

    def hints(self, prompt: str) -> tuple[Hint, ...]:
        """Return why the model may not show what a text says: unknown words, a truncated end."""
        return self._reader.hints(prompt)

    def embed(self, prompt: str, size: tuple[int, int] | None = None) -> Conditioning:
        """Encode a text, cut to the windows that the model may read.

        Args:
            prompt: the text.
            size: height and width of the result in pixels, which Stable Diffusion XL also takes;
                None is the native size.
        """
        return self._texts.embed(self._reader.windows(prompt), size or self._native)

    def embed_with_empty(
        self, prompt: str, size: tuple[int, int] | None = None
    ) -> tuple[Conditioning, Conditioning]:
        """Encode a text, and the empty text in as many windows, so that both share a call."""
        windows, size = self._reader.windows(prompt), size or self._native
        return self._texts.embed(windows, size), self._texts.embed([[] for _ in windows], size)

    @property
    def _native(self) -> tuple[int, int]:
        return self.native_size, self.native_size

    @memory_errors()
    @torch.no_grad()
    def encode(self, pixels: Pixels) -> Tensor:
        """Encode an image as a latent.

        Args:
            pixels: [H, W, 3] uint8, both sides divisible by `multiple`.

        Returns:
            z_0, [4, h, w] float32: the mean of the VAE's posterior, scaled.
        """
        image = torch.from_numpy(pixels).to(self.device)
        image = image.permute(2, 0, 1)[None].float() / 127.5 - 1  # [1, 3, H, W], −1…1
        latents = self._vae.encode(image).latent_dist.mode()[0]
        scaled: Tensor = latents * self._vae.config.scaling_factor
        return scaled

    @memory_errors()
    @torch.no_grad()
    def decode(self, latents: Tensor) -> Pixels:
        """Decode a latent [4, h, w] to pixels [H, W, 3]."""
        image = self._vae.decode(latents[None] / self._vae.config.scaling_factor).sample[0]
        if not torch.isfinite(image).all():
            if torch.isfinite(latents).all():
                raise NotFinite("The VAE decodes to infinity or NaN. Set BARET_VAE to another VAE.")
            raise NotFinite(self.explain_overflow())
        image = ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        pixels: Pixels = image.permute(1, 2, 0).cpu().numpy()
        return pixels

    def explain_overflow(self) -> str:
        """Say which setting helps against values that are not finite."""
        wider = {torch.float16: "bfloat16", torch.bfloat16: "float32"}.get(self.dtype)
        remedy = f"Set BARET_DTYPE={wider}, or download" if wider else "Download"
        return f"The model's numbers are not finite in {self.dtype_name}. {remedy} the model again."

    def predict_noise(
        self,
        latents: Tensor,
        timesteps: Sequence[int] | Tensor,
        embeddings: Tensor,
        added: AddedConditions | None = None,
    ) -> Tensor:
        """Predict ε of rows, [b, 4, h, w] float32; differentiable in the embeddings.

        Args:
            latents: [b, 4, h, w] float32.
            timesteps: one for each row, [b].
            embeddings: [b, n, d] float32.
            added: a row each, for Stable Diffusion XL.
        """
        steps = torch.as_tensor(timesteps, device=latents.device)
        output = self._call(latents, steps, embeddings, added)
        if self._prediction == "epsilon":
            noise: Tensor = output
            return noise
        # v = √ᾱ ε − √(1−ᾱ) z_0 (arXiv 2202.00512), so ε = √ᾱ v + √(1−ᾱ) z_t.
        alpha = self._alphas[steps].view(-1, 1, 1, 1)
        converted: Tensor = alpha.sqrt() * output + (1 - alpha).sqrt() * latents
        return converted

    def _call(
        self,
        latents: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        added: AddedConditions | None,
    ) -> Tensor:
        """Return the UNet's raw output of rows, [b, 4, h, w] float32."""
        guidance = self._guidance
        output: Tensor = self.unet(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=embeddings.to(self.dtype),
            timestep_cond=None
            if guidance is None
            else guidance.to(self.dtype).expand(len(latents), -1),
            # In float32, since bfloat16 rounds sizes; the UNet casts what it makes of them.
            added_cond_kwargs=None
            if added is None
            else {"text_embeds": added.pooled, "time_ids": added.sizes},
        ).sample
        return output.float()


def find_device(device: str) -> torch.device:
    """Return a device by its name; "auto" takes CUDA if there is one."""
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(auto if device == "auto" else device)


def dtype_on(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Return a dtype by its name; "auto" is float16 on CUDA, else float32."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    named: torch.dtype = getattr(torch, dtype)
    return named


def _check_weights(modules: Iterable[torch.nn.Module]) -> None:
    for module in modules:
        for name, tensor in module.state_dict().items():
            if tensor.is_meta or not torch.isfinite(tensor).all():
                raise UnsupportedModel(
                    f"{name} of the {type(module).__name__} is missing, or has values that are not "
                    f"finite in {tensor.dtype}. Download the model again, or use another dtype."
                )
