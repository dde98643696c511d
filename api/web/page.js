// The editing page: one photo, one sentence, one edit at a time.

const ROOT = new URL("..", import.meta.url).href; // the service may be below a path
const POLL_MS = 300; // if events are not available
const POSITION_MS = 2000; // how often to ask for a waiting edit's position in the queue
const SMALL = 256; // images up to this many pixels a side are enlarged without smoothing

const $ = (id) => document.getElementById(id);
let photo = null; // the chosen File
let current = null; // the edit that is being followed

const STATUS = {
  queued: (edit) =>
    edit.queue_position ? `Waiting, ${edit.queue_position} ahead` : "Waiting for a worker",
  running: (edit) => STAGE[edit.stage] ?? "Working",
  succeeded: () => "Done",
  failed: () => "Failed",
  canceled: () => "Canceled",
};
const STAGE = {
  loading: "Reading the photo",
  inverting: "Inverting the photo",
  tuning: "Tuning to the sentence",
  editing: "Editing",
  decoding: "Writing the image",
};

function choose(file) {
  if (!file) return;
  photo = file;
  if ($("preview").src) URL.revokeObjectURL($("preview").src);
  $("preview").src = URL.createObjectURL(file);
  $("preview").hidden = false;
  $("hint").hidden = true;
  clearProblem();
}

// Not every browser can show HEIC; if it cannot, show the file's name instead.
$("preview").addEventListener("error", () => {
  $("preview").hidden = true;
  $("hint").hidden = false;
  $("hint").textContent = photo.name;
});
$("preview").addEventListener("load", () => pixelateIfSmall($("preview")));

$("image").addEventListener("change", () => choose($("image").files[0]));
for (const name of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") choose(event.dataTransfer.files[0]);
  });
}

$("manual").addEventListener("change", () => ($("strength").disabled = !$("manual").checked));
$("strength").addEventListener("input", () => {
  $("strength_value").textContent = Number($("strength").value).toFixed(2);
});

$("edit-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (current) return;
  clearProblem();
  if (!photo) {
    showProblem({ detail: "Choose a photo first." });
    $("image").focus();
    return;
  }
  $("result").hidden = true;
  $("live").hidden = true;
  setBusy(true);
  try {
    showProgress("Sending the photo", null);
    await follow(await call("v1/edits", { method: "POST", body: formData() }));
  } catch (error) {
    $("progress").hidden = true;
    showProblem(error.problem ?? { detail: "The service does not answer. Is it running?" });
  } finally {
    setBusy(false);
  }
});

$("cancel").addEventListener("click", async () => {
  $("cancel").disabled = true;
  try {
    if (current) await call(`v1/edits/${current.id}/cancel`, { method: "POST" });
  } catch (error) {
    const detail = "The service does not answer; the edit was not canceled.";
    showProblem(error.problem ?? { detail });
    $("cancel").disabled = false;
  }
});

function formData() {
  const form = new FormData();
  form.append("image", photo);
  form.append("prompt", $("prompt").value);
  form.append("preset", $("preset").value);
  form.append("previews", "true");
  if ($("manual").checked) form.append("strength", $("strength").value);
  return form;
}

async function call(path, options) {
  const key = $("key").value.trim();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(ROOT + path, { ...options, headers });
  const body = await answer.json();
  if (answer.ok) return body;
  if (body.code === "unauthenticated") {
    // Only a service with keys requires one. The page keeps it in this field only.
    $("key-field").hidden = false;
    $("key").focus();
  }
  throw Object.assign(new Error(body.detail), { problem: body });
}

async function follow(edit) {
  current = edit;
  $("cancel").hidden = false;
  $("cancel").disabled = false;
  try {
    edit = await followEvents(edit);
  } catch {
    edit = await poll(edit);
  }
  $("live").hidden = true;
  showProgress(STATUS[edit.status](edit), null);
  $("bar").hidden = true;
  if (edit.status === "failed") showProblem(edit.error ?? {});
  if (edit.status === "succeeded") showResult(edit);
}

const hasEnded = (edit) => edit.status !== "queued" && edit.status !== "running";

// Follows the edit's events and resolves to the ended edit. If the connection breaks, the browser
// reconnects by itself; if the service refuses, the promise is rejected.
function followEvents(edit) {
  showStatus(edit);
  return new Promise((resolve, reject) => {
    const source = new EventSource(samePage(edit.urls.events));
    const timer = setInterval(async () => {
      if (edit.status !== "queued") return;
      const fresh = await call(`v1/edits/${edit.id}`).catch(() => null);
      if (fresh?.status === "queued") showStatus(Object.assign(edit, fresh));
    }, POSITION_MS);
    const stop = (settle, value) => {
      clearInterval(timer);
      source.close();
      settle(value);
    };
    const on = (type, handle) =>
      source.addEventListener(type, (event) => handle(JSON.parse(event.data)));
    for (const type of ["status", "progress"]) {
      on(type, (data) => showStatus(Object.assign(edit, data)));
    }
    on("preview", (data) => showPreview(data));
    on("done", (data) => stop(resolve, data.edit ?? { ...edit, status: data.status }));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) stop(reject, new Error("no events"));
    });
  });
}

// Only the path: behind a proxy, the page's own scheme and host are the right ones.
function samePage(address) {
  const url = new URL(address);
  return url.pathname + url.search;
}

async function poll(edit) {
  while (!hasEnded(edit)) {
    showStatus(edit);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    edit = await call(`v1/edits/${edit.id}`);
  }
  return edit;
}

function showStatus(edit) {
  showProgress(STATUS[edit.status](edit), edit.status === "queued" ? null : edit.progress);
}

function showPreview(preview) {
  $("live").src = preview.image;
  $("live").hidden = false;
}

function showProgress(text, share) {
  $("progress").hidden = false;
  $("bar").hidden = false;
  $("status").textContent = share === null ? text : `${text} · ${Math.round(share * 100)} %`;
  if (share === null) $("bar").removeAttribute("value");
  else $("bar").value = share;
  if ($("announcement").textContent !== text) $("announcement").textContent = text;
}

function showResult(edit) {
  const output = edit.outputs[0];
  const path = samePage(output.url);
  $("before").src = URL.createObjectURL(photo);
  $("after").src = path;
  $("after").alt = `After: ${edit.prompt}`;
  $("download").href = path;
  $("download").download = `${edit.id}.${output.content_type.split("/")[1]}`;
  const seconds = edit.metrics.run_seconds;
  const duration = seconds ? `${output.width}×${output.height}, ${seconds.toFixed(1)} s` : "";
  $("duration").textContent = duration;
  showWarnings(edit.warnings);
  $("result").hidden = false;
}

function showWarnings(warnings) {
  const items = warnings.map((warning) => {
    const item = document.createElement("li");
    item.textContent = warning.detail;
    return item;
  });
  $("warnings").replaceChildren(...items);
  $("warnings").hidden = items.length === 0;
  // Screen readers announce the warnings after "Done".
  const texts = ["Done.", ...warnings.map((warning) => warning.detail)];
  if (items.length) $("announcement").textContent = texts.join(" ");
}

for (const id of ["before", "after"]) {
  $(id).addEventListener("load", () => pixelateIfSmall($(id)));
}

function pixelateIfSmall(image) {
  const small = Math.max(image.naturalWidth, image.naturalHeight) <= SMALL;
  image.classList.toggle("pixelated", small);
}

function showProblem(problem) {
  const text = document.createElement("p");
  text.textContent = problem.detail || problem.title || "Something went wrong.";
  const list = document.createElement("ul");
  for (const error of problem.errors ?? []) {
    if (error.detail === problem.detail) continue;
    const item = document.createElement("li");
    item.textContent = `${error.pointer.replace(/^\//, "") || "request"}: ${error.detail}`;
    list.append(item);
  }
  $("problem").replaceChildren(text, ...(list.children.length ? [list] : []));
  $("problem").hidden = false;
}

function clearProblem() {
  $("problem").hidden = true;
  $("problem").replaceChildren();
}

function setBusy(busy) {
  $("edit").disabled = busy;
  if (!busy) {
    current = null;
    $("cancel").hidden = true;
  }
}
