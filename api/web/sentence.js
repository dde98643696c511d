// The sentence: a hint if it reads like an instruction.

import { $ } from "./dom.js";

// The same as in baret/model/prompts.py, which says it once more with the finished edit.
const INSTRUCTION = new RegExp(
  "^[^a-z0-9_]*(?:(?:please|can you|could you|i want|i would like|i'd like)\\b" +
    "|(?:add|change|convert|delete|edit|erase|give|let|make|paint|put|remove|replace|swap" +
    "|transform|turn)" +
    "\\s+(?:a|all|an|another|every|everything|her|him|his|it|its|me|more|my|one|out|some|that" +
    "|the|their|them|these|this|those|two|your)\\b)",
  "i",
);
const HINT =
  "This reads like an instruction. Say what the edited photo should show, such as “a dog sitting”.";

export const looksLikeInstruction = (text) => INSTRUCTION.test(text.replaceAll("’", "'"));

export function setSentence(text) {
  $("prompt").value = text;
  check();
}

function check() {
  const hint = looksLikeInstruction($("prompt").value) ? HINT : "";
  if ($("prompt-hint").textContent !== hint) $("prompt-hint").textContent = hint;
  $("prompt").removeAttribute("aria-invalid");
}

export function setUpSentence() {
  $("prompt").addEventListener("input", check);
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    $("panel").requestSubmit($("edit"));
  });
}
