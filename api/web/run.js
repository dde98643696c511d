// A running edit: followed by its events, shown as stage, progress and time left, and canceled.

import { Problem, call, events } from "./api.js";
import { $, announce, seconds } from "./dom.js";

const POLL_MS = 2000; // for what events do not say: the place in the queue and the time left
export const STAGES = {
  loading: "Reading the photo",
  tuning: "Fitting the sentence to the photo",
  inverting: "Tracing the photo back to noise",
  editing: "Editing",
  detailing: "Adding detail",
  decoding: "Finishing the picture",
};
const DELETED = {
  title: "The edit was deleted",
  detail: "It was deleted while it ran. You can make it again.",
};

export const hasEnded = (edit) => !["queued", "running"].includes(edit.status);

function describe(edit) {
  if (edit.status !== "queued") return STAGES[edit.stage] ?? "Working";
  const ahead = edit.queue_position;
  if (!ahead) return "Waiting for a worker";
  return ahead === 1 ? "Waiting: 1 edit ahead" : `Waiting: ${ahead} edits ahead`;
}

export function showProgress(text, share = null, left = null) {
  $("progress").hidden = false;
  $("status").textContent = text;
  const parts = [
    share === null ? "" : `${Math.round(share * 100)} %`,
    left === null ? "" : `about ${seconds(left)} left`,
  ];
  $("eta").textContent = parts.filter(Boolean).join(" · ");
  if (share === null) $("bar").removeAttribute("value");
  else $("bar").value = share;
  announce(text);
}

export function hideProgress() {
  $("progress").hidden = true;
  $("connection").hidden = true;
}

// Follows an edit and resolves to it once it has ended; to null if `signal` is aborted before.
export async function follow(edit, { signal, onPreview }) {
  const now = { ...edit };
  const show = () =>
    showProgress(describe(now), now.status === "queued" ? null : now.progress, now.eta_seconds);
  const poll = setInterval(async () => {
    const fresh = await call(`v1/edits/${edit.id}`, { signal }).catch(() => null);
    if (!fresh || hasEnded(fresh)) return;
    Object.assign(now, { queue_position: fresh.queue_position, eta_seconds: fresh.eta_seconds });
    show();
  }, POLL_MS);
  try {
    show();
    for await (const event of events(edit.id, signal)) {
      $("connection").hidden = event.type !== "lost";
      if (event.type === "done") {
        if (!event.data.edit) throw new Problem(DELETED);
        return event.data.edit;
      }
      if (event.type === "preview") onPreview(event.data);
      if (["status", "progress"].includes(event.type)) {
        Object.assign(now, { status: "running" }, event.data);
        show();
      }
    }
    return signal.aborted ? null : await call(`v1/edits/${edit.id}`);
  } finally {
    clearInterval(poll);
  }
}
