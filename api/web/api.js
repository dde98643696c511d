// The service as this page uses it: requests with the key, problems as exceptions, events.

const ROOT = new URL("..", import.meta.url).href; // the service may be below a path
const KEY = "baret-key"; // in the tab's own storage, so that a reload keeps it
const RETRY_MS = 1000;
const SILENCE_MS = 15000; // the service says something every 5 seconds

let askForKey = null; // shows a problem and resolves once there is another key
let asking = null;

export const address = (path) => ROOT + path;
export const hasKey = () => Boolean(sessionStorage.getItem(KEY));
export const setKey = (key) => sessionStorage.setItem(KEY, key);
export const forgetKey = () => sessionStorage.removeItem(KEY);
export const onKeyNeeded = (ask) => (askForKey = ask);

// An answer of the service that is a problem (RFC 9457), or that it does not answer.
export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? body.title);
    this.body = body;
  }
}

const UNREACHABLE = {
  code: "unreachable",
  title: "The service does not answer",
  detail: "Your photo and your sentence are still here. Check the connection and try again.",
};

// Resolves to the Response of a request that the service accepted.
export async function request(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
    const answer = await fetch(ROOT + path, { ...options, headers }).catch((error) => {
      throw error.name === "AbortError" ? error : new Problem(UNREACHABLE);
    });
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => ({ ...UNREACHABLE, status: answer.status }));
    if (body.code !== "unauthenticated") throw new Problem(body);
    // Requests that were sent together wait for one key.
    asking ??= askForKey(body, key).finally(() => (asking = null));
    await asking;
  }
}

export async function call(path, options) {
  const answer = await request(path, options);
  return answer.status === 204 ? null : answer.json();
}

const pause = (ms, signal) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
    window.addEventListener("online", resolve, { once: true });
    signal?.addEventListener("abort", resolve, { once: true });
  });

const passes = (problem) =>
  ["unreachable", "unavailable", "rate_limited", "idempotency_in_progress"].includes(problem.code);

// Creates an edit. Sent again under the same key if the answer is lost, it makes no second one.
export async function createEdit(form) {
  const random = crypto.getRandomValues(new Uint32Array(4)); // randomUUID needs HTTPS
  const headers = { "Idempotency-Key": random.join("-") };
  for (let attempt = 1; ; attempt++) {
    try {
      return await call("v1/edits", { method: "POST", body: form, headers });
    } catch (error) {
      const lost = ["unreachable", "idempotency_in_progress"].includes(error.body?.code);
      if (!lost || attempt === 3) throw error;
      await pause(RETRY_MS);
    }
  }
}

// Yields an edit's events, {type, data}, across lost connections, which it reports as {type: "lost"}.
export async function* events(id, signal) {
  let last = "";
  while (!signal.aborted) {
    try {
      const headers = last ? { "Last-Event-ID": last } : {};
      const answer = await request(`v1/edits/${id}/events`, { headers, signal });
      if (answer.status === 204) return;
      yield { type: "connected" };
      for await (const event of parse(answer.body.getReader())) {
        last = event.id ?? last;
        yield event;
        if (event.type === "done") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && !passes(error.body)) throw error;
    }
    yield { type: "lost" };
    await pause(RETRY_MS, signal);
  }
}

// Reads server-sent events (WHATWG HTML, 9.2). EventSource cannot send a key.
async function* parse(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const watch = setTimeout(() => reader.cancel(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(watch));
    if (done) return;
    const blocks = (text + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split(/\r?\n/).map((line) => line.match(/^([^:]*):? ?(.*)$/s).slice(1)),
      );
      if (fields.data) yield { type: fields.event, id: fields.id, data: JSON.parse(fields.data) };
    }
  }
}
