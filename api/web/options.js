// The model, the kind of edit, the strength and the seed, as the service announces them.

import { $, element } from "./dom.js";

// The bundled model: the samples are made for it, and it knows nothing else.
export const SMALL_MODEL = "zoo";

let models = [];
let isOfItsWorld = true; // whether the photo is a sample or an edit of one

const title = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", "-");
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
  // "auto" is what the service takes if nothing is chosen, so it and its group come first.
  const names = Object.keys(presets).sort((a, b) => (b === "auto") - (a === "auto"));
  const holdsLayout = (name) => presets[name].self_attention_until > 0;
  const group = (label, members) => {
    const options = members.map((name) =>
      element("option", { value: name, textContent: title(name), selected: name === before }),
    );
    return element("optgroup", { label }, ...options);
  };
  const groups = [
    group("Drawn anew", names.filter((name) => !holdsLayout(name))),
    group("On the photo’s layout", names.filter(holdsLayout)),
  ];
  $("preset").replaceChildren(...groups.filter((group) => group.children.length));
  $("preset-field").hidden = !names.length;
  showStrength();
}

function showStrength() {
  $("strength").disabled = !$("manual").checked;
  const preset = chosen()?.presets[$("preset").value];
  if (!$("manual").checked && preset) $("strength").value = preset.strength;
  $("strength-value").textContent = Number($("strength").value).toFixed(2);
}

export const isDefaultModel = (id) => models.some((model) => model.id === id && model.default);

// The parameters of the edit, as fields of a form; what the service decides itself is left out.
export function parameters() {
  return {
    ...(models.length > 1 && { model: $("model").value }),
    ...($("preset").value && { preset: $("preset").value }),
    ...($("manual").checked && { strength: $("strength").value }),
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
  showStrength();
}

export function setUpOptions() {
  $("model").addEventListener("change", showPresets);
  for (const id of ["preset", "manual"]) $(id).addEventListener("change", showStrength);
  $("strength").addEventListener("input", showStrength);
}
