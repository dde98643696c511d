// Requests with retries. Every request may be sent again: an edit is created under an idempotency key.

import { ProblemError, ServiceUnreachable } from "./errors.js";
import type { Problem } from "./types.js";

export interface Options {
  /** `baret_sk_…`, or a user's token `baret_tk_…`; none for a service without keys. */
  apiKey?: string;
  /** Milliseconds for an answer. */
  timeout?: number;
  maxRetries?: number;
  /** To use instead of the global one. */
  fetch?: typeof fetch;
}

export interface Call {
  method?: string;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  body?: BodyInit;
  /** Milliseconds for which the service may hold the answer back. */
  held?: number;
  signal?: AbortSignal | undefined;
}

const FIRST_PAUSE = 500;
const MAX_PAUSE = 60_000;
const RETRIED = new Set([429, 502, 503, 504]);

export class Http {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #timeout: number;
  readonly #maxRetries: number;
  readonly #fetch: typeof fetch;

  constructor(base: string, options: Options) {
    this.#base = base.replace(/\/+$/, "");
    this.#headers = options.apiKey ? { Authorization: `Bearer ${options.apiKey}` } : {};
    this.#timeout = options.timeout ?? 30_000;
    this.#maxRetries = options.maxRetries ?? 3;
    this.#fetch = options.fetch ?? ((...given) => fetch(...given));
  }

  /** Send a request, again if that may help, and return the answer if it is not a problem. */
  async send(path: string, call: Call = {}): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const last = attempt >= this.#maxRetries;
      try {
        const response = await this.once(path, call);
        if (response.ok || response.status === 204) return response;
        const error = await problemOf(response);
        if (last || !isTemporary(error)) throw error;
        await pause(error.retryAfter === null ? backOff(attempt) : error.retryAfter * 1000, call.signal);
      } catch (error) {
        if (error instanceof ProblemError || call.signal?.aborted) throw error;
        if (last) throw new ServiceUnreachable(`${this.#base} does not answer: ${String(error)}`);
        await pause(backOff(attempt), call.signal);
      }
    }
  }

  async json<T>(path: string, call: Call = {}): Promise<T> {
    return (await (await this.send(path, call)).json()) as T;
  }

  /** Send a request once. The time limit holds until the head of the answer is there. */
  async once(path: string, call: Call): Promise<Response> {
    const url = new URL(path.startsWith("/") ? this.#base + path : path);
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined) url.searchParams.append(name, String(value));
    const controller = new AbortController();
    const abort = (): void => controller.abort(call.signal?.reason);
    if (call.signal?.aborted) abort();
    call.signal?.addEventListener("abort", abort);
    const limit = this.#timeout + (call.held ?? 0);
    const timer = setTimeout(() => controller.abort(new Error(`no answer in ${limit} ms`)), limit);
    try {
      return await this.#fetch(url.href, {
        method: call.method ?? "GET",
        // A signed address needs no key, and may lead to another host.
        headers: { ...(path.startsWith("/") ? this.#headers : {}), ...call.headers },
        body: call.body ?? null,
        signal: controller.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

const isTemporary = (error: ProblemError): boolean =>
  RETRIED.has(error.status) || error.code === "idempotency_in_progress";

const backOff = (attempt: number): number =>
  Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** attempt) * (0.5 + Math.random() / 2);

export async function problemOf(response: Response): Promise<ProblemError> {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const given: unknown = await response.json().catch(() => null);
  const known = typeof given === "object" && given !== null && "code" in given;
  const problem = known
    ? (given as Problem)
    : { type: "about:blank", title: `Status ${response.status}`, status: response.status, code: "unknown" };
  return new ProblemError(
    problem as Problem,
    Number.isFinite(seconds) ? seconds : null,
    response.headers.get("X-Request-Id") ?? "",
  );
}

/** Wait, unless the caller gives up. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, Math.min(milliseconds, MAX_PAUSE));
    function done(): void {
      signal?.removeEventListener("abort", stop);
      resolve();
    }
    function stop(): void {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    }
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Return a new idempotency key. */
export function randomKey(): string {
  // React Native and pages without TLS have no randomUUID.
  if (typeof crypto !== "undefined" && "randomUUID" in crypto) return crypto.randomUUID();
  return Array.from({ length: 4 }, () => Math.random().toString(36).slice(2)).join("-");
}
