// The edit that is shown: its picture, warnings, reasons and code; download, and use as a photo.

import { request } from "./api.js";
import { showCode } from "./code.js";
import { $, element, samePage, seconds } from "./dom.js";
import { photoOf } from "./photo.js";
import { guarded } from "./problem.js";
import { session, setAddress } from "./session.js";
import { inOrder, showTries, triesOf } from "./strip.js";
import { showEdit } from "./viewer.js";
import { showWhy } from "./why.js";

const PARTS = ["warnings", "tries", "actions", "why", "code"];

export function hideResult() {
  for (const id of PARTS) $(id).hidden = true;
}

// The address of an edit's photo as the service keeps it; null if it was not asked to.
export function storedPhoto({ artifacts }) {
  return artifacts?.photo ? samePage(artifacts.photo) : null;
}

// Shows one of the tries.
export function look(one) {
  session.shown = one;
  const { edit, output } = one;
  setAddress(edit.id, { replace: true });
  const before = session.photo.url ?? storedPhoto(edit);
  showEdit(before, samePage(output.url), { size: output, prompt: edit.prompt });
  showTries(session.tries, one, look);
  showWarnings(edit.warnings);
  showWhy(one);
  showCode(one, session.photo.name);
  showFacts(one);
  $("actions").hidden = false;
}

export function addTries(edits) {
  const ids = new Set(edits.map((edit) => edit.id));
  const others = session.tries.filter((one) => !ids.has(one.edit.id));
  session.tries = inOrder([...others, ...edits.flatMap(triesOf)]);
}

// Removes a deleted edit; returns whether anything of the photo is left to show.
export function removeTry(id) {
  const { photo } = session;
  session.tries = session.tries.filter((one) => one.edit.id !== id);
  if (photo?.source === id) photo.source = session.tries.at(-1)?.edit.id ?? null;
  if (session.shown?.edit.id !== id) {
    if (photo) showTries(session.tries, session.shown, look);
    return true;
  }
  if (!session.tries.length) return false;
  look(session.tries.at(-1));
  return true;
}

function showWarnings(warnings) {
  const items = warnings.map((warning) => element("li", { textContent: warning.detail }));
  $("warnings").replaceChildren(...items);
  $("warnings").hidden = !items.length;
}

function showFacts({ edit, output }) {
  const { run_seconds: spent, inversion_reused: reused } = edit.metrics;
  const count = edit.outputs.length;
  const parts = [
    `${output.width} × ${output.height}`,
    spent && (count > 1 ? `${count} strengths in ${seconds(spent)}` : seconds(spent)),
    reused && "photo already prepared",
  ];
  $("facts").textContent = parts.filter(Boolean).join(" · ");
}

async function blobOf({ edit, output }, format) {
  const query = `strength=${output.strength}&format=${format}`;
  return (await request(`v1/edits/${edit.id}/image?${query}`)).blob();
}

async function download(format) {
  const { shown } = session;
  const name = `${shown.edit.id}-${shown.output.strength}.${format}`;
  const url = URL.createObjectURL(await blobOf(shown, format));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function setUpResult(onPhoto) {
  for (const button of $("actions").querySelectorAll("[data-format]")) {
    button.addEventListener("click", () => guarded(() => download(button.dataset.format)));
  }
  $("use-result").addEventListener("click", () =>
    guarded(async () => {
      const file = new File([await blobOf(session.shown, "png")], "edited.png", { type: "image/png" });
      await onPhoto(photoOf(file), $("prompt").value);
    }),
  );
}
