// The model, the kind of edit, the strength and the seed, as the service announces them.

import { $, element } from "./dom.js";

// The bundled model: the samples are made for it, and it knows nothing else.
export const SMALL_MODEL = "zoo";

let models = [];
let isOfItsWorld = true; // whether the photo is a sample or an edit of one
let ownStrength = null; // as the user has set it; else the preset decides

// What a preset is for, in the words of a person who edits; a name that is not here is shown as it is.
const TITLES = {
  auto: "Automatic",
  non_rigid: "A posture or a shape",
  object: "A thing or its colour",
  background: "The background",
  style: "The style of the picture",
};
const title = (name) => TITLES[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
const chosen = () => models.find((model) => model.id === $("model").value);

export function showModels(announced) {
  models = announced;
  const options = models.map((model) =>
    element("option", { value: model.id, textContent: model.id, selected: model.default }),
  );
  $("model").replaceChildren(...options);
  $("model-field").hidden = models.length < 2;
  showPresets();
}

const NOTICES = {
  sleeping: "This model sleeps at the moment. Your edit waits until a worker has loaded it.",
  failed: "This model could not be loaded. Your edit waits until its operator has repaired that.",
  loading: "This model is being loaded. Your edit waits until that is done.",
};

// Says before the edit what the warning `outside_the_models_world` says after it.
export function showWorld(isOwn) {
  isOfItsWorld = isOwn;
  $("foreign").hidden = isOfItsWorld || chosen()?.id !== SMALL_MODEL;
}

function showState() {
  const model = chosen();
  showWorld(isOfItsWorld);
  $("no-model").hidden = model?.state === "ready";
  $("no-model").textContent = model
    ? NOTICES[model.state]
    : "No worker has started yet. Edits are possible once one has.";
}

function showPresets() {
  showState();
  const before = $("preset").value;
  const presets = chosen()?.presets ?? {};
  // "auto" is what the service takes if nothing is chosen, so it comes first.
  const names = Object.keys(presets).sort((a, b) => (b === "auto") - (a === "auto"));
  const options = names.map((name) =>
    element("option", { value: name, textContent: title(name), selected: name === before }),
  );
  $("preset").replaceChildren(...options);
  $("preset-field").hidden = !names.length;
  suggestStrength();
}

function showStrength() {
  $("strength-value").textContent = Number($("strength").value).toFixed(2);
}

// Sets the strength to that of the kind of edit.
function suggestStrength() {
  ownStrength = null;
  const preset = chosen()?.presets[$("preset").value];
  if (preset) $("strength").value = preset.strength;
  showStrength();
}

export const isDefaultModel = (id) => models.some((model) => model.id === id && model.default);

// The parameters of the edit, as fields of a form; what the service decides itself is left out.
export function parameters() {
  return {
    ...(models.length > 1 && { model: $("model").value }),
    ...($("preset").value && { preset: $("preset").value }),
    ...(ownStrength !== null && { strength: ownStrength }),
    ...(Number($("seed").value) > 0 && { seed: $("seed").value }),
  };
}

export function chooseModel(id) {
  if (!models.some((model) => model.id === id)) return;
  $("model").value = id;
  showPresets();
}

// Shows the parameters of an edit, so that the next one begins with them.
export function setParameters(edit) {
  chooseModel(edit.model);
  if (chosen()?.presets[edit.params.preset]) $("preset").value = edit.params.preset;
  $("seed").value = edit.params.seed;
  suggestStrength();
}

export function setUpOptions() {
  $("model").addEventListener("change", showPresets);
  $("preset").addEventListener("change", suggestStrength);
  $("strength").addEventListener("input", () => {
    ownStrength = $("strength").value;
    showStrength();
  });
}
