import { BatchNotEnded, ServiceUnreachable } from "./errors.js";
import { pause, randomKey, type Http } from "./http.js";
import { idOf, type Batch, type BatchResult, type Identified, type NewBatch } from "./types.js";

const PAUSE = 2000; // milliseconds between two looks at a batch

/** The batches of the caller: many edits in one request that nobody waits for. */
export class Batches {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /**
   * Create a batch, and return it as it begins.
   *
   * Calls with the same `idempotencyKey` and the same edits within a day make one batch.
   */
  async create(
    batch: NewBatch,
    options: { idempotencyKey?: string; signal?: AbortSignal } = {},
  ): Promise<Batch> {
    const headers: Record<string, string> = { "Idempotency-Key": options.idempotencyKey ?? randomKey() };
    let body: BodyInit;
    if (typeof batch.edits === "string") {
      const form = new FormData();
      form.append("file", new Blob([batch.edits]), "batch.jsonl");
      if (batch.webhook_url) form.append("webhook_url", batch.webhook_url);
      if (batch.metadata) form.append("metadata", JSON.stringify(batch.metadata));
      body = form;
    } else {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(batch);
    }
    return this.#http.json<Batch>("/v1/batches", { method: "POST", headers, body, signal: options.signal });
  }

  /** Return a batch as it is now. */
  async get(batch: Identified): Promise<Batch> {
    return this.#http.json<Batch>(`/v1/batches/${idOf(batch)}`);
  }

  /** Yield the caller's batches, newest first, all pages. */
  async *list(): AsyncGenerator<Batch> {
    const query: Record<string, string | undefined> = {};
    for (;;) {
      const page = await this.#http.json<{ data: Batch[]; next_cursor: string | null }>("/v1/batches", {
        query,
      });
      yield* page.data;
      if (page.next_cursor === null) return;
      query["cursor"] = page.next_cursor;
    }
  }

  /** Wait until a batch has ended, whatever became of its edits, and return it then. */
  async wait(
    batch: Identified,
    options: { timeout?: number; onProgress?: (batch: Batch) => void; signal?: AbortSignal } = {},
  ): Promise<Batch> {
    const until = Date.now() + (options.timeout ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const now = await this.#http.json<Batch>(`/v1/batches/${idOf(batch)}`, { signal: options.signal });
      options.onProgress?.(now);
      if (now.completed_at !== null) return now;
      if (Date.now() >= until)
        throw new BatchNotEnded(`The batch did not end within ${options.timeout} ms; it goes on.`, now);
      await pause(PAUSE, options.signal);
    }
  }

  /** Yield what became of each edit that has ended, in the order of the batch. */
  async *results(batch: Identified, signal?: AbortSignal): AsyncGenerator<BatchResult> {
    const response = await this.#http.send(`/v1/batches/${idOf(batch)}/results`, { signal });
    if (!response.body) throw new TypeError("This platform's fetch cannot stream.");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        const lines = (rest + (value ?? "")).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line) yield JSON.parse(line) as BatchResult;
        if (done) return;
      }
    } catch (error) {
      if (signal?.aborted || error instanceof SyntaxError) throw error;
      throw new ServiceUnreachable(`The results broke off: ${String(error)}`);
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  /** Cancel a batch: what has ended stays, the rest ends within seconds. */
  async cancel(batch: Identified): Promise<Batch> {
    return this.#http.json<Batch>(`/v1/batches/${idOf(batch)}/cancel`, { method: "POST" });
  }

  /** Delete a batch with its edits and their images. */
  async delete(batch: Identified): Promise<void> {
    await this.#http.send(`/v1/batches/${idOf(batch)}`, { method: "DELETE" });
  }
}
