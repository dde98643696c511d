// All edits of this photo in a row; each can be looked at again, and made at other strengths.

import { $, element, samePage } from "./dom.js";

const STRENGTHS = [0.25, 0.5, 0.75, 1];
const SEEDS = 2 ** 32;
const KEPT = [
  ...["preset", "self_attention_until", "cross_attention_until", "num_inference_steps"],
  ...["guidance_scale", "inner_steps", "seed"],
];

// One look at a photo: an output of an edit.
export const triesOf = (edit) => edit.outputs.map((output) => ({ edit, output }));

// Of an edit at several strengths, the output that shows its sentence best; undefined if there is none.
export const strongest = (edit) =>
  edit.outputs.toSorted((a, b) => a.strength - b.strength).at(-1);

const same = (a, b) => a && b && a.edit.id === b.edit.id && a.output.strength === b.output.strength;

// Returns whether another strength of `b` comes from the inversion of `a`.
function sharesInversion(a, b) {
  const values = ({ prompt, model, params }) => JSON.stringify([prompt, model, KEPT.map((k) => params[k])]);
  return values(a) === values(b);
}

// Keeps what one inversion made together, by strength; the oldest first.
export function inOrder(tries) {
  const groups = [];
  for (const one of tries) {
    const group = groups.find(([first]) => sharesInversion(first.edit, one.edit));
    if (group) group.push(one);
    else groups.push([one]);
  }
  return groups.flatMap((group) => group.sort((a, b) => a.output.strength - b.output.strength));
}

function tile(one, shown, onChoose) {
  const strength = one.output.strength.toFixed(2);
  const image = element("img", { alt: "", loading: "lazy" });
  image.src = samePage(one.output.url);
  const button = element(
    "button",
    { type: "button", title: `${one.edit.prompt} (seed ${one.edit.params.seed})` },
    image,
    element("span", { className: "visually-hidden", textContent: `${one.edit.prompt}, strength ` }),
    element("span", { textContent: strength }),
    element("span", { className: "visually-hidden", textContent: `, seed ${one.edit.params.seed}` }),
  );
  button.setAttribute("aria-pressed", String(same(one, shown)));
  button.addEventListener("click", () => onChoose(one));
  return element("li", {}, button);
}

export function showTries(tries, shown, onChoose) {
  const focused = [...$("strip").children].findIndex((li) => li.contains(document.activeElement));
  $("strip").replaceChildren(...tries.map((one) => tile(one, shown, onChoose)));
  if (focused >= 0) $("strip").children[focused]?.firstChild.focus();
  $("tries").hidden = !tries.length;
  $("more-strengths").hidden = !shown || !missing(tries, shown.edit).length;
  reveal($("strip").querySelector('[aria-pressed="true"]'));
}

// Scrolls the strip alone: `scrollIntoView` also moves the page, on a phone until the result is out of sight.
function reveal(button) {
  if (!button) return;
  const [strip, inner] = [$("strip"), button.getBoundingClientRect()];
  const outer = strip.getBoundingClientRect();
  strip.scrollLeft += Math.min(0, inner.left - outer.left) + Math.max(0, inner.right - outer.right);
}

function missing(tries, edit) {
  const made = tries.filter((one) => sharesInversion(one.edit, edit)).map((one) => one.output.strength);
  return STRENGTHS.filter((value) => made.every((strength) => Math.abs(strength - value) > 0.04));
}

// The form of an edit like this one, but for some parameters.
function like(edit, changes) {
  const params = Object.fromEntries(KEPT.map((name) => [name, edit.params[name]]));
  return {
    source: edit.id,
    prompt: edit.prompt,
    model: edit.model,
    params: JSON.stringify({ ...params, ...changes }),
  };
}

// The same edit at the strengths that it has not been made at.
export const otherStrengths = (tries, edit) => like(edit, { strength: missing(tries, edit) });

// The same sentence with a seed that this photo's edits have not had.
export function anotherTry(tries, { edit, output }) {
  const seed = Math.max(...tries.map((one) => one.edit.params.seed)) + 1;
  return like(edit, { strength: output.strength, seed: seed % SEEDS });
}
