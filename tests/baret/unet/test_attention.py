import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention

from baret.errors import AttentionLayoutError
from baret.unet.attention import (
    AttentionRecorder,
    BalancedAttention,
    Injection,
    Recording,
    attention_layers,
    balanced_attention,
)
from baret.unet.requests import stack_embeddings


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_explicit_maps(attn: Attention, hidden, context, source):
    """Balance attention as the paper draws it: compute the maps, exchange them, apply them."""
    b, n, _ = hidden.shape

    def heads(x):
        return x.view(b, -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)

    q, k = heads(attn.to_q(hidden)), heads(attn.to_k(context))
    v = heads(attn.to_v(context))
    maps = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)  # [b, i, q, k]
    maps = torch.stack([maps[row] for row in source])
    return attn.to_out[0]((maps @ v).transpose(1, 2).reshape(b, n, -1))


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("source", [(0, 1, 2), (1, 1, 2), (2, 0, 0)])
def test_reindexing_rows_equals_exchanging_explicit_maps(cross, source):
    attn = Attention(query_dim=24, cross_attention_dim=16 if cross else None, heads=3, dim_head=8)
    hidden, text = randn(3, 40, 24), randn(3, 7, 16, seed=1)
    context = text if cross else hidden
    balanced = BalancedAttention(torch.tensor(source), ())(attn, hidden, text if cross else None)
    expected = by_explicit_maps(attn, hidden, context, source)
    torch.testing.assert_close(balanced, expected, atol=1e-5, rtol=1e-5)


def call(editor, embeddings, seed=0):
    """Predict ε of three fixed rows at t = 501."""
    with torch.no_grad():
        return editor.model.predict_noise(randn(3, 4, 16, 16, seed=seed), [501] * 3, embeddings)


def balanced(unet, injection, recordings=()):
    on_cpu = None if injection is None else injection.to_tensor(torch.device("cpu"))
    return balanced_attention(unet, attention_layers(unet), on_cpu, recordings)


@pytest.fixture(scope="module")
def texts(editor):
    prompts = ("a photo of a dog", "a photo of a cat jumping", "")
    return stack_embeddings([editor.model.embed(prompt) for prompt in prompts])


def test_every_attention_layer_of_the_unet_is_found(editor):
    layers = attention_layers(editor.model.unet)
    assert layers.keys() == editor.model.unet.attn_processors.keys()
    assert sum(layers.values()) == len(layers) / 2  # one cross for one self


def test_leaving_every_row_alone_changes_nothing(editor, texts):
    plain = call(editor, texts)
    with balanced(editor.model.unet, Injection((0, 1, 2), (0, 1, 2))):
        changed = call(editor, texts)
    torch.testing.assert_close(changed, plain, atol=1e-5, rtol=1e-4)


def test_only_the_injected_row_changes(editor, texts):
    plain = call(editor, texts)
    with balanced(editor.model.unet, Injection((1, 1, 2), (0, 1, 2))):
        changed = call(editor, texts)
    torch.testing.assert_close(changed[1:], plain[1:], atol=1e-5, rtol=1e-4)
    assert (changed[0] - plain[0]).abs().mean() > 1e-3


def test_self_and_cross_attention_are_injected_each_by_itself(editor, texts):
    outcomes = []
    for injection in (Injection((1, 1, 2), (0, 1, 2)), Injection((0, 1, 2), (1, 1, 2))):
        with balanced(editor.model.unet, injection):
            outcomes.append(call(editor, texts)[0])
    assert (outcomes[0] - outcomes[1]).abs().mean() > 1e-3


def test_processors_are_restored_whatever_happens(editor):
    unet = editor.model.unet
    before = dict(unet.attn_processors)
    with (
        pytest.raises(KeyboardInterrupt),
        balanced(unet, Injection((0,), (0,))),
    ):
        assert unet.attn_processors != before
        raise KeyboardInterrupt
    assert unet.attn_processors == before


def test_with_nothing_to_inject_the_unet_is_not_touched(editor):
    before = dict(editor.model.unet.attn_processors)
    with balanced(editor.model.unet, None):
        assert editor.model.unet.attn_processors == before


def test_a_model_without_the_expected_layers_is_refused():
    vae = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    with pytest.raises(AttentionLayoutError, match="0 of them in transformer blocks"):
        attention_layers(vae)


def test_a_layer_that_computes_more_than_plain_attention_is_refused(editor, monkeypatch):
    block = editor.model.unet.mid_block.attentions[0].transformer_blocks[0]
    monkeypatch.setattr(block.attn1, "residual_connection", True)
    with pytest.raises(AttentionLayoutError, match="attn1"):
        attention_layers(editor.model.unet)


def test_recorded_maps_are_distributions_over_the_tokens(editor, texts):
    recorder = AttentionRecorder()
    with balanced(editor.model.unet, None, [Recording(1, recorder)]):
        call(editor, texts)
    maps = recorder.maps()
    first = editor.model.unet.config.down_block_types.index("CrossAttnDownBlock2D")
    assert maps.shape == ((16 // 2**first) ** 2, texts.shape[1])  # the finest layer's places
    torch.testing.assert_close(maps.sum(1), torch.ones(len(maps)))
