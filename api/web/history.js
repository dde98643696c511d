// The caller's edits, newest first, each of which can be opened or deleted.

import { call } from "./api.js";
import { $, element, samePage } from "./dom.js";
import { strongest } from "./strip.js";

const STATUS = {
  queued: "waiting",
  running: "running",
  succeeded: "",
  failed: "failed",
  canceled: "canceled",
};
let cursor = null;
let onDeleted = () => {};

function row(edit) {
  const when = new Date(edit.created_at);
  const output = strongest(edit);
  const image = output ? element("img", { alt: "", loading: "lazy" }) : element("span", { className: "blank" });
  if (output) image.src = samePage(output.url);
  const text = [
    when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" }),
    STATUS[edit.status] ?? edit.status,
    edit.outputs.length > 1 && `${edit.outputs.length} strengths`,
  ];
  const link = element(
    "a",
    { href: `#${edit.id}` },
    image,
    element(
      "span",
      {},
      element("b", { textContent: edit.prompt }),
      element("span", { className: "note", textContent: text.filter(Boolean).join(" · ") }),
    ),
  );
  link.addEventListener("click", () => $("history").close());
  return element("li", {}, link, deleteButton(edit));
}

// The first click asks, the second deletes.
function deleteButton(edit) {
  const name = element("span", { className: "visually-hidden", textContent: `: ${edit.prompt}` });
  const label = document.createTextNode("Delete");
  const button = element("button", { type: "button", className: "delete" }, label, name);
  const ask = (asks) => {
    label.data = asks ? "Really delete?" : "Delete";
    button.classList.toggle("danger", asks);
  };
  button.addEventListener("blur", () => ask(false));
  button.addEventListener("click", async () => {
    if (!button.classList.contains("danger")) return ask(true);
    const next = button.parentNode.nextElementSibling ?? button.parentNode.previousElementSibling;
    button.disabled = true;
    try {
      await call(`v1/edits/${edit.id}`, { method: "DELETE" });
    } catch (error) {
      button.disabled = false;
      return say(error.body?.detail ?? "The edit could not be deleted.");
    }
    button.parentNode.remove();
    (next?.querySelector(".delete") ?? $("close-history")).focus();
    say($("history-list").children.length ? "Deleted" : "You have no edits yet.");
    onDeleted(edit.id);
  });
  return button;
}

function say(text) {
  $("history-note").textContent = text;
}

async function load() {
  const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  try {
    const page = await call(`v1/edits?limit=20${query}`);
    $("history-list").append(...page.data.map(row));
    cursor = page.next_cursor;
    $("history-more").hidden = !cursor;
    say($("history-list").children.length ? "" : "You have no edits yet.");
  } catch (error) {
    say(error.body?.detail ?? "The list could not be read.");
  }
}

export function setUpHistory(afterDelete) {
  onDeleted = afterDelete;
  $("open-history").addEventListener("click", () => {
    cursor = null;
    $("history-list").replaceChildren();
    say("Loading …");
    $("history").showModal();
    load();
  });
  $("close-history").addEventListener("click", () => $("history").close());
  $("history-more").addEventListener("click", load);
  $("history").addEventListener("click", (event) => {
    if (event.target === $("history")) $("history").close(); // on the backdrop
  });
}
