"""The page at / in Chromium: edits from choice to download, and what comes between."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.faults.stack import Stack
from tests.support.playground import PHONE, Playground
from tests.support.samples import QUICK, SAMPLE_SIZE
from tests.support.sentences import DESCRIPTIONS, INSTRUCTIONS

SENTENCE = "a photo of a white cat standing on grass, facing left"
SEEDS = count(1, 10)  # *Another try* takes the next seed
Hold = Callable[[], Any]


@pytest.fixture
def edit(stack: Stack, photo: bytes) -> dict[str, Any]:
    """Return an edit that another client made, with artifacts and an inversion of its own."""
    form = {"prompt": SENTENCE, "artifacts": "true", "strength": "0.5", "seed": next(SEEDS)}
    form |= QUICK
    made = stack.http.post("/v1/edits", data=form, files={"image": photo}).json()
    return stack.ended(made["id"])


def test_a_whole_edit_from_choice_to_download(
    playground: Playground, photo: bytes, holding: Hold
) -> None:
    page = playground.page
    playground.open()
    expect(playground.sample_list.locator("button").first).to_be_visible()
    playground.check()

    playground.choose(photo)
    playground.shows("photo")
    playground.check()
    with holding():
        playground.ask(SENTENCE)
        playground.shows("preview")
        expect(playground.status).to_have_text("Editing")
        expect(playground.eta).to_contain_text("%")
        expect(playground.cancel).to_be_focused()  # it took the place of the button pressed
        playground.check()
    playground.shows("compare")
    expect(playground.announcement).to_have_text("Done")
    playground.check()

    for name in ("PNG", "WebP", "JPEG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert (image.format, image.size) == (name.upper(), SAMPLE_SIZE)
        assert download.value.suggested_filename.endswith(f".{name.lower()}")

    playground.use_result.click()
    playground.shows("photo")
    expect(playground.photo_name).to_have_text("edited.png")
    expect(playground.tries).to_be_hidden()


def test_photo_and_edit_are_compared_by_slider_key_and_zoom(
    playground: Playground, edit: dict[str, Any]
) -> None:
    page, after = playground.page, playground.after
    playground.open(f"/#{edit['id']}")
    playground.shows("compare")
    playground.split.press("Home")
    expect(playground.split).to_have_attribute("aria-valuetext", "0 % photo, 100 % edit")
    expect(after).to_have_css("clip-path", re.compile(r"inset\(0px 0px 0px 0%\)"))
    playground.split.press("ArrowRight")
    expect(after).to_have_css("clip-path", re.compile(r"1%\)"))

    playground.pane.focus()
    page.keyboard.down("b")
    expect(after).to_be_hidden()
    page.keyboard.up("b")
    expect(after).to_be_visible()
    width = playground.canvas.bounding_box()["width"]
    page.keyboard.press("+")
    expect(playground.zoom_fit).to_have_text("150 %")
    assert playground.canvas.bounding_box()["width"] == pytest.approx(1.5 * width, rel=0.02)
    playground.check()
    page.keyboard.press("0")
    expect(playground.zoom_fit).to_have_text("Fit")


def test_other_strengths_come_from_the_same_inversion(
    playground: Playground, stack: Stack, edit: dict[str, Any]
) -> None:
    page = playground.page
    playground.open(f"/#{edit['id']}")
    playground.shows("compare")
    count = playground.strip.locator("li").count()
    playground.more_strengths.click()
    playground.tiles(count + 3)  # 0.25, 0.75 and 1; 0.5 is there
    expect(playground.more_strengths).to_be_hidden()
    newest = stack.http.get("/v1/edits", params={"limit": 1}).json()["data"][0]
    assert newest["metrics"]["inversion_reused"] is True
    assert [output["strength"] for output in newest["outputs"]] == [0.25, 0.75, 1.0]

    tile = page.get_by_role("button", name=f"{SENTENCE}, strength 0.75")
    tile.click()
    expect(tile).to_have_attribute("aria-pressed", "true")
    assert page.url.endswith(newest["id"])
    playground.check()
    page.set_viewport_size({"width": 390, "height": 844})  # too narrow for four: the strip scrolls
    image = playground.strip.locator("img").first.bounding_box()
    assert (image["width"], image["height"]) == (80, 80)
    playground.check()


def test_another_try_has_the_next_seed(
    playground: Playground, stack: Stack, edit: dict[str, Any]
) -> None:
    playground.open(f"/#{edit['id']}")
    playground.shows("compare")
    made = playground.strip.locator("li").count()
    seeds = playground.strip.get_by_text(", seed ").all_inner_texts()
    playground.another_try.click()
    playground.tiles(made + 1)
    (newest,) = stack.http.get("/v1/edits", params={"limit": 1}).json()["data"]
    assert newest["params"]["seed"] == 1 + max(int(text.split()[-1]) for text in seeds)
    assert newest["outputs"][0]["strength"] == 0.5
    same = ("prompt", "model", "input")
    assert [newest[name] for name in same] == [edit[name] for name in same]
    expect(playground.strip.get_by_role("button", pressed=True)).to_have_count(1)
    assert playground.page.url.endswith(newest["id"])
    playground.check()


def test_a_sample_shows_what_its_sentence_changes(playground: Playground) -> None:
    playground.open()
    first = playground.sample_list.locator("button").first
    expect(first).to_contain_text(SENTENCE)
    expect(first.locator("b")).to_have_text("standing")


def test_why_an_edit_looks_as_it_does(playground: Playground, edit: dict[str, Any]) -> None:
    playground.open(f"/#{edit['id']}")
    playground.page.get_by_text("Why does it look like this?").click()
    pictures = playground.why.locator("img")
    expect(pictures).to_have_count(4)
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") >= 48
    stages = playground.why.get_by_role("rowheader").all_inner_texts()
    assert stages == [
        "Reading the photo",
        "Fitting the sentence to the photo",
        "Tracing the photo back to noise",
        "Editing",
        "Finishing the picture",
    ]
    playground.check()


def test_the_code_makes_the_same_edit(
    playground: Playground, edit: dict[str, Any], photo: bytes, tmp_path: Path
) -> None:
    playground.open(f"/#{edit['id']}")
    playground.page.get_by_text("Do this from code").click()
    (tmp_path / "photo.jpg").write_bytes(photo)
    commands = {
        "curl": ["sh", "-c"],
        "Python": [sys.executable, "-c"],
        "JavaScript": ["node", "--input-type=module", "-e"],
    }
    for language, command in commands.items():
        playground.page.get_by_label(language, exact=True).check()
        program = playground.snippet.inner_text()
        done = subprocess.run(
            [*command, program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        if language == "curl":
            assert '"status":"succeeded"' in done.stdout
            continue
        result = tmp_path / "edited.png"
        assert Image.open(result).size == SAMPLE_SIZE
        result.unlink()
    playground.check()


def test_a_reload_finds_the_running_edit_again(
    playground: Playground, photo: bytes, holding: Hold
) -> None:
    playground.open()
    playground.choose(photo)
    with holding():
        playground.ask(SENTENCE)
        playground.shows("preview")
        playground.page.reload()
        playground.shows("preview")
        expect(playground.status).to_have_text("Editing")
        expect(playground.prompt).to_have_value(SENTENCE)
        playground.check()
    playground.shows("compare")  # with the photo as the service read it
    expect(playground.before).to_have_js_property("naturalWidth", SAMPLE_SIZE[0])


def test_a_lost_connection_is_found_again(
    playground: Playground, stack: Stack, photo: bytes, holding: Hold
) -> None:
    playground.open()
    playground.choose(photo)
    with holding():
        playground.ask(SENTENCE)
        playground.shows("preview")
        stack.api.stop()
        expect(playground.connection).to_be_visible()
        stack.start_api()
        expect(playground.connection).to_be_hidden()
    playground.shows("compare")


def test_a_running_edit_is_canceled(playground: Playground, photo: bytes, holding: Hold) -> None:
    playground.open()
    playground.choose(photo)
    with holding():
        playground.ask(SENTENCE)
        playground.shows("preview")
        playground.cancel.click()
    expect(playground.problem).to_contain_text("Canceled")
    playground.shows("photo")
    expect(playground.edit).to_be_focused()
    playground.check()


def test_a_problem_says_what_to_do(playground: Playground, stack: Stack, photo: bytes) -> None:
    page = playground.page
    playground.open()
    playground.choose(photo[: len(photo) // 2])
    playground.ask(SENTENCE)
    expect(playground.problem).to_contain_text("The image cannot be read")
    expect(page.get_by_role("link", name="About this error")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    playground.check()

    playground.another.click()
    playground.choose(photo)
    stack.api.stop()
    playground.ask(SENTENCE)
    expect(playground.problem).to_contain_text("The service does not answer")
    playground.check()
    stack.start_api()
    page.get_by_role("button", name="Try again").click()
    playground.shows("compare")
    expect(playground.problem).to_be_hidden()


def test_why_an_edit_failed(playground: Playground, stack: Stack, photo: bytes) -> None:
    form = {"prompt": SENTENCE, "metadata": '{"harm": "error", "at": "editing"}'}
    made = stack.http.post("/v1/edits", data=form, files={"image": photo}).json()
    failed = stack.ended(made["id"])
    playground.open(f"/#{made['id']}")
    expect(playground.problem).to_contain_text(failed["error"]["title"])
    playground.page.goto("about:blank")  # what follows is another visit
    playground.open("/#edit_00000000000000000000000000000000")
    expect(playground.problem).to_contain_text("Not found")
    expect(playground.welcome).to_be_visible()  # no photo is there, so the first screen is
    expect(playground.workspace).to_be_hidden()
    playground.check()


def test_the_history_opens_and_deletes_edits(
    playground: Playground, stack: Stack, edit: dict[str, Any]
) -> None:
    page = playground.page
    playground.open()
    playground.open_history.click()
    row = playground.history_list.locator("li").first
    expect(row).to_contain_text(SENTENCE)
    playground.check()
    row.get_by_role("link").click()
    playground.shows("compare")
    assert page.url.endswith(edit["id"])

    playground.open_history.click()
    row.get_by_role("button").click()
    expect(row.get_by_role("button")).to_contain_text("Really delete?")
    assert stack.http.get(f"/v1/edits/{edit['id']}").status_code == 200
    row.get_by_role("button").click()
    expect(playground.history_note).to_have_text(re.compile("Deleted|You have no edits yet."))
    assert stack.http.get(f"/v1/edits/{edit['id']}").status_code == 404


def test_an_edit_by_keyboard_alone(playground: Playground) -> None:
    page = playground.page
    playground.open()
    expect(playground.sample_list.locator("button").first).to_be_visible()
    while page.evaluate("!document.activeElement.closest('#sample-list')"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(playground.prompt).to_be_focused()
    page.keyboard.press("Control+Enter")
    playground.shows("compare")
    expect(playground.prompt).to_be_focused()  # nothing takes the focus away
    while page.evaluate("document.activeElement.id") != "split":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowLeft")
    expect(playground.split).to_have_value("49")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_photo_is_pasted_or_dropped(playground: Playground, photo: bytes, way: str) -> None:
    playground.open()
    expect(playground.sample_list.locator("button").first).to_be_visible()
    playground.page.evaluate(
        """([way, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "cat.png", { type: "image/png" }));
            const options = { bubbles: true, cancelable: true };
            document.body.dispatchEvent(
                way === "paste"
                    ? new ClipboardEvent("paste", { ...options, clipboardData: data })
                    : new DragEvent("drop", { ...options, dataTransfer: data }));
        }""",
        [way, list(photo)],
    )
    playground.shows("photo")
    expect(playground.photo_name).to_have_text("cat.png")


def test_an_instruction_gets_a_hint_before_it_is_sent(playground: Playground, photo: bytes) -> None:
    playground.open()
    playground.choose(photo)
    for sentence in INSTRUCTIONS + DESCRIPTIONS:
        playground.prompt.fill(sentence)
        hinted = bool(playground.prompt_hint.inner_text())
        assert hinted is (sentence in INSTRUCTIONS), sentence
    playground.prompt.fill(INSTRUCTIONS[0])
    playground.check()


def test_the_kinds_of_edit_are_those_that_the_model_announces(
    playground: Playground, stack: Stack, photo: bytes
) -> None:
    (model,) = stack.http.get("/v1/models").json()["data"]
    playground.open()
    playground.choose(photo)
    options = playground.preset.locator("option").evaluate_all("all => all.map(o => o.value)")
    assert options[0] == "auto" and set(options) == set(model["presets"])
    playground.page.get_by_text("Strength and seed").click()
    playground.strength.fill("0.4")
    expect(playground.strength_value).to_have_text("0.40")
    playground.preset.select_option("style")
    strength = model["presets"]["style"]["strength"]
    expect(playground.strength_value).to_have_text(f"{strength:.2f}")
    playground.check()


def test_a_phone_in_the_dark_with_less_motion(
    stack: Stack,
    open_tab: Callable[..., Playground],
    photo: bytes,
    holding: Hold,
) -> None:
    dark = {**PHONE, "color_scheme": "dark", "reduced_motion": "reduce"}
    playground = open_tab(str(stack.http.base_url).rstrip("/"), **dark)
    playground.open()
    expect(playground.sample_list.locator("button").first).to_be_visible()
    expect(playground.page.get_by_role("button", name="Take a photo")).to_be_visible()
    playground.check()
    moves = "getComputedStyle(document.querySelector('#choose')).transitionDuration"
    assert playground.page.evaluate(moves) == "0s"
    playground.choose(photo)
    playground.check()
    with holding():
        playground.ask(SENTENCE)
        playground.shows("preview")
        expect(playground.viewer).to_be_in_viewport(ratio=1)
        playground.check()
    playground.shows("compare")
    playground.tiles(1)
    expect(playground.viewer).to_be_in_viewport(ratio=1)
    for part in ("Why does it look like this?", "Do this from code"):
        playground.page.get_by_text(part).click()
    playground.check()
    playground.open_history.click()
    expect(playground.history_list.locator("li").first).to_be_visible()
    playground.check()


def test_what_the_small_model_cannot_edit_is_said_before(
    playground: Playground, photo: bytes
) -> None:
    playground.open()
    playground.sample_list.locator("button").first.click()
    playground.shows("photo")
    expect(playground.foreign).to_be_hidden()
    playground.another.click()
    playground.choose(photo)
    expect(playground.foreign).to_contain_text("not photographs")
    playground.check()


@pytest.mark.parametrize("address", ["/docs", "/docs/problems/not_found"])
def test_the_other_pages(playground: Playground, address: str) -> None:
    playground.open(address)
    expect(playground.page.get_by_role("heading").first).to_be_visible()
    expect(playground.page.get_by_text("Loading openapi.json")).to_have_count(0)
    playground.check()
