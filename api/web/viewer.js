// The picture: the photo, a preview, or photo and edit with a slider between them.

import { $, pixelateIfSmall } from "./dom.js";
import { setUpZoom, zoomed } from "./zoom.js";

const NO_PICTURE = "Your photo shows here once the edit is done.";
const CANNOT_SHOW = "This browser cannot show this photo. The service can edit it all the same.";

// Modes: "empty", "photo", "preview" (over the photo), "compare", "single" (an edit without photo).
function setMode(mode) {
  $("viewer").dataset.mode = mode;
  $("viewbar").hidden = !["compare", "single"].includes(mode);
  $("split").disabled = $("hold").disabled = mode !== "compare";
}

function setSize({ width, height }) {
  $("viewer").style.setProperty("--w", width);
  $("viewer").style.setProperty("--h", height);
}

// Shows the photo alone; `size` is needed if there is no address to show it from.
export function showPhotoAlone(url, size) {
  $("after").removeAttribute("src");
  if (size) setSize(size);
  if (url) $("before").src = url;
  else $("before").removeAttribute("src");
  $("no-picture").textContent = size ? NO_PICTURE : CANNOT_SHOW;
  setMode(url ? "photo" : "empty");
}

export function showPreview(image) {
  $("after").src = image;
  $("after").alt = "Preview of the edit";
  setMode("preview");
}

// Shows an edit against its photo; `before` is null if nobody has the photo any more.
export function showEdit(before, after, { size, prompt }) {
  setSize(size);
  if (before) $("before").src = before;
  $("after").src = after;
  $("after").alt = `The edit: ${prompt}`;
  setMode(before ? "compare" : "single");
}

function setSplit(percent) {
  const at = Math.round(Math.min(100, Math.max(0, percent)));
  $("split").value = at;
  $("split").setAttribute("aria-valuetext", `${at} % photo, ${100 - at} % edit`);
  $("canvas").style.setProperty("--at", at);
}

// Drags the border: anywhere on the picture, or by its handle if the picture is zoomed.
function setUpDrag() {
  const canvas = $("canvas");
  const move = (event) => {
    const box = canvas.getBoundingClientRect();
    setSplit(((event.clientX - box.left) / box.width) * 100);
  };
  canvas.addEventListener("pointerdown", (event) => {
    const onHandle = $("divider").contains(event.target);
    if (!event.isPrimary || event.button || $("viewer").dataset.mode !== "compare") return;
    if (zoomed() && !onHandle) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.addEventListener("pointermove", move);
    if (event.pointerType === "mouse") move(event);
  });
  for (const type of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(type, () => canvas.removeEventListener("pointermove", move));
  }
}

function setUpHold() {
  const hold = (held) => {
    $("viewer").toggleAttribute("data-held", held);
    $("hold").setAttribute("aria-pressed", String(held));
  };
  const isHoldKey = (event) =>
    event.key.toLowerCase() === "b" || (event.target === $("hold") && " Enter".includes(event.key));
  $("hold").addEventListener("pointerdown", () => hold(true));
  for (const type of ["pointerup", "pointerleave", "pointercancel"]) {
    $("hold").addEventListener(type, () => hold(false));
  }
  // Only while the focus is on the picture or what belongs to it, so that no single key surprises.
  for (const part of [$("viewer"), $("viewbar")]) {
    part.addEventListener("keydown", (event) => {
      if (!isHoldKey(event) || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      if ($("viewer").dataset.mode === "compare") hold(true);
    });
    part.addEventListener("keyup", (event) => isHoldKey(event) && hold(false));
    part.addEventListener("focusout", () => hold(false));
  }
}

export function setUpViewer() {
  for (const id of ["before", "after"]) pixelateIfSmall($(id));
  $("before").addEventListener("load", ({ target }) => {
    if ($("viewer").dataset.mode !== "photo") return;
    setSize({ width: target.naturalWidth, height: target.naturalHeight });
  });
  $("split").addEventListener("input", () => setSplit(Number($("split").value)));
  setSplit(50);
  setUpDrag();
  setUpHold();
  setUpZoom();
}
