// The plain page: one photo, one sentence, one edit at a time.

const POLL_MS = 300; // where events cannot be had
const PLACE_MS = 2000; // how often a waiting edit's place in the queue is looked up
const SMALL = 256; // pictures up to this many pixels a side are shown with their pixels

const $ = (id) => document.getElementById(id);
let photo = null; // the File that was chosen
let running = null; // the edit that is being followed

const STATUS = {
  queued: (edit) =>
    edit.queue_position ? `Waiting, ${edit.queue_position} before it` : "Waiting for a worker",
  running: (edit) => STAGE[edit.stage] ?? "Working",
  succeeded: () => "Done",
  failed: () => "Failed",
  canceled: () => "Canceled",
};
const STAGE = {
  loading: "Reading the photo",
  inverting: "Finding the photo's noise",
  tuning: "Tuning to the sentence",
  editing: "Editing",
  decoding: "Writing the picture",
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

// Not every browser draws HEIC: then the name says what was chosen.
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

$("own").addEventListener("change", () => ($("interpolation").disabled = !$("own").checked));
$("interpolation").addEventListener("input", () => {
  $("strength").textContent = Number($("interpolation").value).toFixed(2);
});

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  clearProblem();
  if (!photo) {
    tellProblem({ detail: "Choose a photo first." });
    $("image").focus();
    return;
  }
  $("result").hidden = true;
  $("becoming").hidden = true;
  busy(true);
  try {
    showProgress("Sending the photo", null);
    await follow(await call("/v1/edits", { method: "POST", body: wanted() }));
  } catch (error) {
    $("progress").hidden = true;
    tellProblem(error.problem ?? { detail: "The service does not answer. Is it running?" });
  } finally {
    busy(false);
  }
});

$("cancel").addEventListener("click", async () => {
  $("cancel").disabled = true;
  try {
    if (running) await call(`/v1/edits/${running.id}/cancel`, { method: "POST" });
  } catch (error) {
    tellProblem(error.problem ?? { detail: "The service does not answer; it was not canceled." });
    $("cancel").disabled = false;
  }
});

function wanted() {
  const form = new FormData();
  form.append("image", photo);
  form.append("prompt", $("prompt").value);
  form.append("preset", $("preset").value);
  form.append("previews", "true");
  if ($("own").checked) form.append("interpolation", $("interpolation").value);
  return form;
}

async function call(path, options) {
  const key = $("key").value.trim();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, { ...options, headers });
  const body = await answer.json();
  if (answer.ok) return body;
  if (body.code === "unauthenticated") {
    // Only a service with keys asks for one. It is kept nowhere but in the field.
    $("keyed").hidden = false;
    $("key").focus();
  }
  throw Object.assign(new Error(body.detail), { problem: body });
}

async function follow(edit) {
  running = edit;
  $("cancel").hidden = false;
  $("cancel").disabled = false;
  try {
    edit = await told(edit);
  } catch {
    edit = await polled(edit);
  }
  $("becoming").hidden = true;
  showProgress(STATUS[edit.status](edit), null);
  $("bar").hidden = true;
  if (edit.status === "failed") tellProblem(edit.error ?? {});
  if (edit.status === "succeeded") showResult(edit);
}

const ended = (edit) => edit.status !== "queued" && edit.status !== "running";

// Follows the edit by its events; gives it as it ended. The browser comes back by itself when the
// connection breaks; it fails where the service refuses.
function told(edit) {
  showStanding(edit);
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/v1/edits/${edit.id}/events`);
    const place = setInterval(async () => {
      if (edit.status !== "queued") return;
      const seen = await call(`/v1/edits/${edit.id}`).catch(() => null);
      if (seen?.status === "queued") showStanding(Object.assign(edit, seen));
    }, PLACE_MS);
    const stop = (settle, value) => {
      clearInterval(place);
      source.close();
      settle(value);
    };
    const on = (kind, act) =>
      source.addEventListener(kind, (event) => act(JSON.parse(event.data)));
    for (const kind of ["status", "progress"]) {
      on(kind, (data) => showStanding(Object.assign(edit, data)));
    }
    on("preview", (data) => showBecoming(data));
    on("done", (data) => stop(resolve, data.edit ?? { ...edit, status: data.status }));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) stop(reject, new Error("no events"));
    });
  });
}

async function polled(edit) {
  while (!ended(edit)) {
    showStanding(edit);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    edit = await call(`/v1/edits/${edit.id}`);
  }
  return edit;
}

function showStanding(edit) {
  showProgress(STATUS[edit.status](edit), edit.status === "queued" ? null : edit.progress);
}

function showBecoming(preview) {
  $("becoming").src = preview.image;
  $("becoming").hidden = false;
}

function showProgress(text, share) {
  $("progress").hidden = false;
  $("bar").hidden = false;
  $("status").textContent = share === null ? text : `${text} · ${Math.round(share * 100)} %`;
  if (share === null) $("bar").removeAttribute("value");
  else $("bar").value = share;
  if ($("said").textContent !== text) $("said").textContent = text;
}

function showResult(edit) {
  const output = edit.outputs[0];
  // The path alone: behind a proxy the page's own scheme and host are the right ones.
  const address = new URL(output.url);
  const path = address.pathname + address.search;
  $("before").src = URL.createObjectURL(photo);
  $("after").src = path;
  $("after").alt = `After: ${edit.prompt}`;
  $("download").href = path;
  $("download").download = `${edit.id}.${output.content_type.split("/")[1]}`;
  const seconds = edit.metrics.run_seconds;
  $("took").textContent = seconds ? `${output.width}×${output.height}, ${seconds.toFixed(1)} s` : "";
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
  // Who hears the page hears them after "Done".
  if (items.length) $("said").textContent = ["Done.", ...warnings.map((w) => w.detail)].join(" ");
}

for (const id of ["before", "after"]) {
  $(id).addEventListener("load", () => pixelateIfSmall($(id)));
}

function pixelateIfSmall(image) {
  const small = Math.max(image.naturalWidth, image.naturalHeight) <= SMALL;
  image.classList.toggle("pixelated", small);
}

function tellProblem(problem) {
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

function busy(now) {
  $("edit").disabled = now;
  if (!now) {
    running = null;
    $("cancel").hidden = true;
  }
}
