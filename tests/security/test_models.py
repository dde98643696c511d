"""Someone publishes a model that is a trap: it is refused with a reason, and none of it runs."""

import ast
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from baret import BaretError, Inversion
from baret.errors import UnsupportedModel
from baret.model.description import ModelDescription
from baret.model.embeddings import EmbeddingFile, read_embedding
from baret.model.loading import BUNDLED
from baret.model.stable_diffusion import StableDiffusion
from tests.security.models import PASSED_OVER, REFUSED, Marks, sharded
from tests.security.tally import Tally
from tests.support.hub import load_by_hub_id
from tests.support.safety_checkers import add_checker

ROOT = Path(__file__).parents[2]
SERVICE = ("api", "baret", "cli", "core", "deploy", "housekeeper", "worker")
TOOLS = ("bench", "zoo")  # they open files that they wrote themselves, or published tensors

torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLED / "zoo", tmp_path / "model"))


def load(path: Path) -> StableDiffusion:
    return StableDiffusion.from_pretrained(str(path), device="cpu")


@pytest.mark.parametrize(
    ("kind", "how"), [(kind, how) for kind, ways in REFUSED.items() for how in ways]
)
def test_a_model_that_is_a_trap_is_refused_with_a_reason(
    kind: str, how: str, folder: Path, tmp_path: Path, tally: Tally
) -> None:
    marker = tmp_path / "executed"
    target = REFUSED[kind][how](folder, marker) or folder
    with pytest.raises(UnsupportedModel) as refusal:
        load(target)
    assert len(str(refusal.value)) > 20
    assert not marker.exists()
    tally.count(kind, "refused")


@pytest.mark.parametrize("how", PASSED_OVER)
def test_code_and_pickles_beside_a_model_are_never_opened(
    how: str, folder: Path, tmp_path: Path, tally: Tally
) -> None:
    marker = tmp_path / "executed"
    PASSED_OVER[how](folder, marker)
    model = load(folder)
    assert type(model.unet).__module__.startswith("diffusers.")
    assert not marker.exists()
    tally.count("models with code of their own", "served")


def test_a_safety_checker_in_a_pickle_is_refused(
    folder: Path, tmp_path: Path, tally: Tally
) -> None:
    marker = tmp_path / "executed"
    add_checker(folder, refuses=False)
    sharded("safety_checker/model.safetensors")(folder, marker)
    with pytest.raises(UnsupportedModel, match="pickles never"):
        load(folder)
    assert not marker.exists()
    tally.count("models with pickles", "refused")


def test_a_model_of_a_hub_is_judged_like_a_folder(tmp_path: Path, tally: Tally) -> None:
    home = tmp_path / "hub" / "models--some-org--some-model"
    commit = "0" * 40
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    snapshot = Path(shutil.copytree(BUNDLED / "zoo", home / "snapshots" / commit))
    marker = tmp_path / "executed"
    sharded("text_encoder/model.safetensors")(snapshot, marker)
    said = load_by_hub_id(HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1").stdout
    assert said.startswith("UnsupportedModel") and "pickles never" in said
    assert not marker.exists()
    tally.count("models with pickles", "refused")


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff" * 100, b"\x08" + bytes(7) + b"[[[[[[[[", b"deep", b"pickle"],
    ids=["nothing", "noise", "no header", "nested header", "a pickle"],
)
def test_what_is_no_saved_inversion_is_refused(data: bytes, tmp_path: Path, tally: Tally) -> None:
    marker = tmp_path / "executed"
    if data == b"pickle":
        data = pickle.dumps(Marks(marker))
    if data == b"deep":
        nested = b'{"__metadata__": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        data = len(nested).to_bytes(8, "little") + nested
    with pytest.raises(BaretError, match="invert the photo again"):
        Inversion.from_bytes(data)
    assert not marker.exists()
    tally.count("saved inversions that are none", "refused")


def calls(package: str) -> list[tuple[str, ast.Call | None]]:
    """Return what a package imports and calls, by full dotted names as written."""
    found: list[tuple[str, ast.Call | None]] = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None)
                found += [(name, None) for name in ([module] if module else [])]
                found += [(one.name, None) for one in node.names]
            elif isinstance(node, ast.Call):
                found.append((ast.unparse(node.func), node))
    return found


@pytest.mark.parametrize("package", SERVICE)
def test_the_service_has_nothing_that_could_open_a_pickle_or_run_text(package: str) -> None:
    modules = {"pickle", "dill", "joblib", "marshal", "shelve", "yaml", "cloudpickle"}
    functions = {"np.load", "numpy.load", "eval", "exec", "compile", "os.system"}
    for name, call in calls(package):
        assert name not in modules | functions
        assert name != "torch.load" or reads_tensors_alone(call)


def reads_tensors_alone(call: ast.Call | None) -> bool:
    """Whether a call of torch.load says weights_only=True, literally."""
    return call is not None and any(
        one.arg == "weights_only" and ast.unparse(one.value) == "True" for one in call.keywords
    )


@pytest.mark.parametrize("name", ["trap.pt", "trap.bin"])
def test_an_embedding_that_is_a_trap_is_refused_unrun(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    (tmp_path / name).write_bytes(pickle.dumps({"<trap>": Marks(marker)}))
    with pytest.raises(UnsupportedModel, match="cannot be read as tensors alone"):
        read_embedding(EmbeddingFile(tmp_path / name, "trap"), ModelDescription("a model"))
    torch.save({"<trap>": Marks(marker)}, tmp_path / name)  # as published files are
    with pytest.raises(UnsupportedModel, match="cannot be read as tensors alone"):
        read_embedding(EmbeddingFile(tmp_path / name, "trap"), ModelDescription("a model"))
    assert not marker.exists()


@pytest.mark.parametrize("package", TOOLS)
def test_the_tools_open_tensors_and_arrays_alone(package: str) -> None:
    for name, call in calls(package):
        if name == "torch.load":
            assert reads_tensors_alone(call)
        elif name in ("np.load", "numpy.load"):
            assert call is not None
            assert "allow_pickle" not in [one.arg for one in call.keywords]
        assert name not in ("pickle.load", "pickle.loads", "yaml.load", "eval", "exec")


def test_no_bundled_weights_are_pickles() -> None:
    for weights in BUNDLED.rglob("*"):
        assert weights.suffix in ("", ".safetensors", ".json", ".txt", ".md"), weights
    judge = (ROOT / "zoo" / "judge.safetensors").read_bytes()
    json.loads(judge[8 : 8 + int.from_bytes(judge[:8], "little")])
