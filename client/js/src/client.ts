import { Batches } from "./batches.js";
import { EditNotSucceeded, ProblemError, ServiceUnreachable } from "./errors.js";
import { readEvents } from "./events.js";
import { Http, pause, problemOf, randomKey, type Options } from "./http.js";
import { idOf, type Edit, type EditEvent, type Format, type Identified, type Model } from "./types.js";
import type { ImageSource, NewEdit, NewUpload, Status, Upload } from "./types.js";
import { bodyOf, bytesOf } from "./upload.js";

const MAX_WAIT = 60; // seconds that the service waits for an edit's end
const PROGRESS_WAIT = 1;

export interface WaitOptions {
  /** Milliseconds; without it, for as long as the edit takes. */
  timeout?: number;
  /** Called with the edit as it is, about once a second. */
  onProgress?: (edit: Edit) => void;
  signal?: AbortSignal;
}

/** A connection to a BARET service. */
export class Baret {
  readonly batches: Batches;
  readonly edits: Edits;
  readonly uploads: Uploads;
  readonly #http: Http;

  constructor(baseUrl: string, options: Options = {}) {
    this.#http = new Http(baseUrl, options);
    this.batches = new Batches(this.#http);
    this.edits = new Edits(this.#http);
    this.uploads = new Uploads(this.#http);
  }

  /** List the models that edits can be made with. */
  async models(): Promise<Model[]> {
    return (await this.#http.json<{ data: Model[] }>("/v1/models")).data;
  }

  /** Return the secret that your webhooks are signed with, `whsec_…`. */
  async webhookSecret(): Promise<string> {
    return (await this.#http.json<{ secret: string }>("/v1/webhooks/secret")).secret;
  }

  /** Make a short-lived token for one user of yours, to be used in an app in place of the key. */
  async token(given: { ttl?: number; edits?: number; user?: string } = {}): Promise<{
    id: string;
    token: string;
    user: string;
    edits: number | null;
    expires_at: string;
  }> {
    const headers = { "Content-Type": "application/json" };
    return this.#http.json("/v1/tokens", { method: "POST", headers, body: JSON.stringify(given) });
  }
}

/** Signed addresses that take one image each, ahead of its edit and without a key. */
export class Uploads {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Create an upload: on a server, for an app that then sends its image within an hour. */
  async create(upload: NewUpload): Promise<Upload> {
    const headers = { "Content-Type": "application/json" };
    return this.#http.json("/v1/uploads", { method: "POST", headers, body: JSON.stringify(upload) });
  }

  /** Send the image; `edits.create({ image: { upload: upload.id }, … })` then uses it. */
  async send(upload: Upload, image: Exclude<ImageSource, string>, signal?: AbortSignal): Promise<void> {
    const body = await bytesOf(image);
    await this.#http.send(upload.url, { method: upload.method, headers: upload.headers, body, signal });
  }
}

/** The edits of the caller. */
export class Edits {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /**
   * Create an edit, and return it as it waits for a worker.
   *
   * `prompt` says what the edited photo should show: "a dog sitting", not "make the dog sit". Calls
   * with the same `idempotencyKey` and the same arguments within a day make one edit.
   */
  async create(
    edit: NewEdit,
    options: { idempotencyKey?: string; signal?: AbortSignal } = {},
  ): Promise<Edit> {
    const { body, headers } = bodyOf(edit);
    const key = options.idempotencyKey ?? randomKey();
    return this.#http.json<Edit>("/v1/edits", {
      method: "POST",
      headers: { ...headers, "Idempotency-Key": key },
      body,
      signal: options.signal,
    });
  }

  /** Return an edit as it is now. */
  async get(edit: Identified): Promise<Edit> {
    return this.#http.json<Edit>(`/v1/edits/${idOf(edit)}`);
  }

  /** Yield the caller's edits, newest first, all pages. */
  async *list(
    filter: { status?: Status; user?: string; metadata?: Record<string, string> } = {},
  ): AsyncGenerator<Edit> {
    const query: Record<string, string | undefined> = { status: filter.status, user: filter.user };
    for (const [key, value] of Object.entries(filter.metadata ?? {})) query[`metadata[${key}]`] = value;
    for (;;) {
      const page = await this.#http.json<{ data: Edit[]; next_cursor: string | null }>("/v1/edits", {
        query,
      });
      yield* page.data;
      if (page.next_cursor === null) return;
      query["cursor"] = page.next_cursor;
    }
  }

  /** Wait until an edit succeeds, and return it then; throw `EditNotSucceeded` if it does not. */
  async wait(edit: Identified, options: WaitOptions = {}): Promise<Edit> {
    const until = Date.now() + (options.timeout ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      const wait = Math.min(options.onProgress ? PROGRESS_WAIT : MAX_WAIT, left);
      const now = await this.#http.json<Edit>(`/v1/edits/${idOf(edit)}`, {
        query: { wait },
        held: wait * 1000,
        signal: options.signal,
      });
      if (now.status === "succeeded") return now;
      if (now.status === "failed")
        throw new EditNotSucceeded(`The edit failed: ${now.error?.detail ?? now.error?.code}`, now);
      if (now.status === "canceled") throw new EditNotSucceeded("The edit was canceled.", now);
      options.onProgress?.(now);
      if (Date.now() >= until)
        throw new EditNotSucceeded(`The edit did not end within ${options.timeout} ms; it goes on.`, now);
    }
  }

  /**
   * Yield an edit's events from its acceptance to its end, across broken connections.
   *
   * Where fetch cannot stream (React Native), use `wait` with `onProgress`.
   */
  async *stream(edit: Identified, signal?: AbortSignal): AsyncGenerator<EditEvent> {
    const path = `/v1/edits/${idOf(edit)}/events`;
    let lastId = "";
    for (let failures = 0; ; failures++) {
      try {
        const headers: Record<string, string> = lastId ? { "Last-Event-ID": lastId } : {};
        const response = await this.#http.once(path, { headers, signal });
        if (response.status === 204) return;
        if (!response.ok) throw await problemOf(response);
        if (!response.body) throw new TypeError("This platform's fetch cannot stream.");
        for await (const event of readEvents(response.body)) {
          [lastId, failures] = [event.id, 0];
          yield event;
          if (event.type === "done") return;
        }
      } catch (error) {
        if (error instanceof ProblemError && error.status < 500 && error.status !== 429) throw error;
        if (signal?.aborted || (error instanceof TypeError && lastId === "" && failures > 0)) throw error;
        if (failures >= 6) throw new ServiceUnreachable(`The events broke off: ${String(error)}`);
      }
      await pause(500 * 2 ** failures, signal);
    }
  }

  /** Cancel an edit: at once if it waits, within a step if it runs. An ended one stays as it is. */
  async cancel(edit: Identified): Promise<Edit> {
    return this.#http.json<Edit>(`/v1/edits/${idOf(edit)}/cancel`, { method: "POST" });
  }

  /** Delete an edit with its images. */
  async delete(edit: Identified): Promise<void> {
    await this.#http.send(`/v1/edits/${idOf(edit)}`, { method: "DELETE" });
  }

  /** Download an output: the first, or the one of a strength; as stored, or in a format. */
  async image(edit: Identified, options: { strength?: number; format?: Format } = {}): Promise<Blob> {
    const query = { strength: options.strength, format: options.format };
    return (await this.#http.send(`/v1/edits/${idOf(edit)}/image`, { query })).blob();
  }
}
