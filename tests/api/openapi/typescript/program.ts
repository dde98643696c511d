// A client as a user would write it against the generated types; it must compile under --strict.

import type { components, operations } from "./baret";

type Edit = components["schemas"]["Edit"];
type Problem = components["schemas"]["Problem"];
type WebhookBody = components["schemas"]["WebhookBody"];
type EditRequest = operations["createEdit"]["requestBody"]["content"]["application/json"];
type Accepted = operations["createEdit"]["responses"][202]["content"]["application/json"];
type Ended = operations["createEdit"]["responses"][201]["content"]["application/json"];
type NotFound = operations["getEdit"]["responses"][404]["content"]["application/problem+json"];
type EditPage = operations["listEdits"]["responses"][200]["content"]["application/json"];
type Query = NonNullable<operations["listEdits"]["parameters"]["query"]>;

class Refused extends Error {
  constructor(readonly problem: Problem) {
    const fields = problem.errors?.map(({ pointer, detail }) => `${pointer}: ${detail}`) ?? [];
    super([`${problem.status} ${problem.code}: ${problem.detail}`, ...fields].join("\n"));
  }
}

async function answer<T>(response: Response): Promise<T> {
  const body: unknown = await response.json();
  if (!response.ok) throw new Refused(body as Problem);
  return body as T;
}

async function submit(base: string, request: EditRequest): Promise<Edit> {
  const response = await fetch(`${base}/v1/edits`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify(request),
  });
  return answer<Accepted | Ended>(response);
}

function outputLines(edit: Edit): string[] | null {
  switch (edit.status) {
    case "queued":
    case "running":
      console.error(edit.stage ?? `position ${edit.queue_position ?? "?"}`, edit.eta_seconds?.toFixed(1));
      return null;
    case "succeeded":
      return edit.outputs.map(({ strength, url, width, height }) =>
        [strength.toFixed(2), `${width}x${height}`, url].join(" "),
      );
    case "failed":
      throw new Refused(edit.error!);
    case "canceled":
      return [];
    default: {
      const never: never = edit.status; // all statuses are handled
      throw new Error(never);
    }
  }
}

export async function run(base: string, image: string): Promise<string[]> {
  const request: EditRequest = {
    prompt: "a cat that sits",
    image: { base64: image },
    strength: [0.25, 0.5],
    output_format: "webp",
    params: { preset: "non_rigid", seed: 7 },
    metadata: { order: "1" },
  };
  let edit = await submit(base, request);
  for (;;) {
    const lines = outputLines(edit);
    if (lines) return lines;
    edit = await answer<Edit>(await fetch(`${edit.urls.self}?wait=20`));
  }
}

export async function refused(base: string): Promise<Problem> {
  const problem = (error: unknown) => (error as Refused).problem;
  return submit(base, { prompt: "" }).then(() => Promise.reject(new Error("accepted")), problem);
}

export async function listed(base: string): Promise<EditPage> {
  const query: Query = { limit: 10, status: "succeeded" };
  const text = Object.entries(query).map(([name, value]) => `${name}=${String(value)}`);
  return answer<EditPage>(await fetch(`${base}/v1/edits?${text.join("&")}`));
}

export function outcome(webhook: WebhookBody): string {
  const { type, data } = webhook;
  return type === "edit.failed" ? (data.error?.code ?? "unknown") : data.status;
}

// What must not compile.

// @ts-expect-error there is no such format
export const misspelt: EditRequest = { prompt: "x", output_format: "jpg" };
// @ts-expect-error the prompt is required
export const mute: EditRequest = { source: "edit_1" };
// @ts-expect-error an edit's error can be null
export const careless = (edit: Edit): string => edit.error.code;
// @ts-expect-error a problem may have no `errors`
export const unlisted = (problem: NotFound): number => problem.errors.length;
// @ts-expect-error there is no such status
export const finished = (edit: Edit): boolean => edit.status === "finished";
