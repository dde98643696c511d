// Why an edit looks as it does: what the method made on the way, and where the time went.

import { $, element, pixelateIfSmall, samePage, seconds } from "./dom.js";
import { STAGES } from "./run.js";

const PICTURES = [
  ["reconstruction", "Rebuilt", "The photo as the model rebuilds it. What is lost here is lost in the edit."],
  ["transition", "Edit alone", "The whole edit, before the photo's own pixels are put back."],
  ["mask", "Mask", "Where the edit shows (white) and where the photo stays (black)."],
  ["attention", "Words", "Where each word of the sentence acted, bright where it acted most."],
];

function figure(address, [, title, text]) {
  const image = pixelateIfSmall(element("img", { alt: `${title}: ${text}`, loading: "lazy" }));
  image.src = samePage(address);
  const caption = element("figcaption", {}, element("b", { textContent: title }), ` ${text}`);
  const link = element("a", { href: image.src, target: "_blank", title: "Open the picture in a new tab" }, image);
  return element("figure", {}, link, caption);
}

function timings(stages) {
  const longest = Math.max(...Object.values(stages));
  const rows = Object.entries(stages).map(([stage, spent]) => {
    const bar = element("span", { className: "time" });
    bar.style.setProperty("--share", spent / longest);
    return element(
      "tr",
      {},
      element("th", { scope: "row", textContent: STAGES[stage] ?? stage }),
      element("td", { textContent: seconds(spent) }),
      element("td", {}, bar),
    );
  });
  const caption = element("caption", { textContent: "Where the time went" });
  return element("table", { className: "timings" }, caption, element("tbody", {}, ...rows));
}

function facts({ metrics, params, model }) {
  const psnr = metrics.reconstruction_psnr;
  const tuning = metrics.inversion_reused
    ? "What an earlier edit found out about the photo was used again."
    : `The sentence was fitted to the photo in ${metrics.inner_steps} steps.`;
  const rebuilt = psnr ? ` The model rebuilds the photo to ${psnr.toFixed(1)} dB (more is closer).` : "";
  const used = ` Model ${model}, ${params.num_inference_steps} steps, guidance ${params.guidance_scale}, seed ${params.seed}.`;
  return element("p", { className: "note", textContent: tuning + rebuilt + used });
}

export function showWhy({ edit }) {
  const shown = PICTURES.filter(([name]) => edit.artifacts?.[name]);
  const figures = shown.map((picture) => figure(edit.artifacts[picture[0]], picture));
  const parts = [facts(edit), element("div", { className: "figures" }, ...figures)];
  if (!figures.length) {
    parts[1] = element("p", { textContent: "This edit was made without the pictures that explain it." });
  } else if (edit.outputs.length > 1) {
    const first = edit.outputs[0].strength.toFixed(2);
    parts.push(element("p", { className: "note", textContent: `The pictures are of strength ${first}.` }));
  }
  if (Object.keys(edit.metrics.stage_seconds).length) parts.push(timings(edit.metrics.stage_seconds));
  $("why-content").replaceChildren(...parts);
  $("why").hidden = false;
}
