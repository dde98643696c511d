// What went wrong and what to do, and the form that asks for a key.

import { Problem, forgetKey, hasKey, onKeyNeeded, setKey } from "./api.js";
import { $, element } from "./dom.js";

const FIELDS = { image: "Photo", source: "Photo", prompt: "Sentence", strength: "Strength" };

function fieldError({ pointer, detail }) {
  const name = pointer.split("/")[1] ?? "";
  return element("li", { textContent: `${FIELDS[name] ?? (name || "Request")}: ${detail}` });
}

// Shows a problem of the service, with a button that does the same again if `retry` is given.
export function showProblem(body, retry) {
  const title = body.title ?? "Something went wrong";
  const parts = [element("h2", { textContent: title })];
  if (body.detail) parts.push(element("p", { textContent: body.detail }));
  const errors = (body.errors ?? []).filter((error) => error.detail !== body.detail);
  if (errors.length) parts.push(element("ul", {}, ...errors.map(fieldError)));
  if (errors.some((error) => error.pointer === "/prompt")) {
    $("prompt").setAttribute("aria-invalid", "true");
  }
  const row = element("div", { className: "row" });
  if (retry) {
    const button = element("button", { type: "button", textContent: "Try again" });
    button.addEventListener("click", retry);
    row.append(button);
  }
  if (body.type) row.append(element("a", { href: body.type, textContent: "About this error" }));
  $("problem").replaceChildren(...parts, ...(row.children.length ? [row] : []));
  $("problem").hidden = false;
}

export function clearProblem() {
  $("problem").hidden = true;
  $("problem").replaceChildren();
}

// Returns whether the same request may succeed later: not if something about it is wrong.
const mayPass = ({ status = 0 }) => status < 400 || status === 429 || status >= 500;

// Does what may fail and resolves to whether it did not; `retry` is what “Try again” does.
export async function guarded(work, retry) {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showProblem(error.body, mayPass(error.body) ? retry : null);
    return false;
  }
}

// Asks for a key whenever the service refuses to answer without one, or refuses the one it got.
export function setUpKey() {
  onKeyNeeded(
    (problem, refused) =>
      new Promise((resolve) => {
        const focused = document.activeElement;
        forgetKey();
        $("key-problem").textContent = refused ? problem.detail : "";
        $("key").setAttribute("aria-invalid", String(Boolean(refused)));
        $("key-card").hidden = false;
        $("forget-key").hidden = true;
        $("key").focus();
        $("key-card").onsubmit = (event) => {
          event.preventDefault();
          setKey($("key").value.trim());
          $("key").value = "";
          $("key-card").hidden = true;
          $("forget-key").hidden = false;
          focused.focus();
          resolve();
        };
      }),
  );
  $("forget-key").hidden = !hasKey();
  $("forget-key").addEventListener("click", () => {
    forgetKey();
    location.assign($("home").href);
  });
}
