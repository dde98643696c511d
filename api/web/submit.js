// Sending an edit, following it to its end, and canceling it.

import { call, createEdit } from "./api.js";
import { $, announce } from "./dom.js";
import { parameters } from "./options.js";
import { clearProblem, guarded, showProblem } from "./problem.js";
import { addTries, look } from "./result.js";
import { follow, hideProgress, showProgress } from "./run.js";
import { session, setAddress } from "./session.js";
import { anotherTry, otherStrengths, strongest } from "./strip.js";
import { showPhotoAlone, showPreview } from "./viewer.js";

const CANCELED = { title: "Canceled", detail: "Change what you like and edit again." };
const PHOTO_GONE = {
  title: "The photo is not here any more",
  detail: "Its edits were deleted, and this tab has no copy of it. Choose the photo again.",
};

function setRunning(now) {
  session.running = now;
  const focused = document.activeElement;
  for (const id of ["edit", "another-try", "more-strengths"]) $(id).disabled = Boolean(now);
  // Without scrolling: on a phone the buttons are below the picture that people wait for.
  if (focused === $("edit") || focused === $("cancel")) (now ? $("cancel") : $("edit")).focus({ preventScroll: true });
}

export function stopFollowing() {
  session.running?.controller.abort();
  setRunning(null);
  hideProgress();
}

function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("previews", "true");
  form.append("artifacts", "true");
  return form;
}

// Sends an edit, `fields` of a form, and follows it.
async function submit(fields) {
  if (session.running) return;
  const running = { edit: null, controller: new AbortController() };
  clearProblem();
  $("warnings").hidden = true;
  showProgress("Sending the photo");
  setRunning(running);
  if ($("stage").getBoundingClientRect().top < 0) $("stage").scrollIntoView({ block: "start" });
  const send = async () => {
    const edit = await createEdit(formOf(fields));
    if (running.controller.signal.aborted) return;
    session.photo.source = edit.id;
    setAddress(edit.id);
    if (running.canceled) await call(`v1/edits/${edit.id}/cancel`, { method: "POST" });
    await watch(edit, running.controller);
  };
  await guarded(send, () => submit(fields));
  if (session.running?.controller === running.controller) stopFollowing();
}

async function submitPanel() {
  const { photo } = session;
  if (!photo.source && !photo.file) return showProblem(PHOTO_GONE);
  const image = photo.source ? { source: photo.source } : { image: photo.file };
  return submit({ ...image, prompt: $("prompt").value, ...parameters() });
}

// Follows an edit that the service has accepted, and shows how it ended.
export async function watch(edit, controller = new AbortController()) {
  session.sha256 = edit.input.sha256;
  setRunning({ edit, controller });
  const onPreview = (preview) => showPreview(preview.image);
  const ended = await follow(edit, { signal: controller.signal, onPreview });
  if (!ended || controller.signal.aborted) return;
  stopFollowing();
  finish(ended);
}

export function finish(edit) {
  const { photo, shown } = session;
  if (edit.status === "succeeded") {
    addTries([edit]);
    announce(edit.warnings.length ? "Done, with a warning" : "Done");
    // Other strengths of what is shown join the strip; what somebody looks at stays.
    look(edit.outputs.length > 1 && shown ? shown : { edit, output: strongest(edit) });
    return;
  }
  if (shown) look(shown);
  else showPhotoAlone(photo.url, edit.input);
  showProblem(edit.status === "failed" ? (edit.error ?? {}) : CANCELED);
}

async function cancel() {
  const { running } = session;
  running.canceled = true; // one that is being sent is canceled once it has an id
  if (!running.edit) return;
  await guarded(() => call(`v1/edits/${running.edit.id}/cancel`, { method: "POST" }));
}

export function setUpSubmit() {
  $("panel").addEventListener("submit", (event) => {
    event.preventDefault();
    submitPanel();
  });
  $("cancel").addEventListener("click", cancel);
  $("another-try").addEventListener("click", () =>
    submit(anotherTry(session.tries, session.shown)),
  );
  $("more-strengths").addEventListener("click", () =>
    submit(otherStrengths(session.tries, session.shown.edit)),
  );
}
