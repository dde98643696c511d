// What a user would write against the generated types: it must compile under --strict, and work.

import type { components, operations } from "./baret";

type Edit = components["schemas"]["Edit"];
type Problem = components["schemas"]["Problem"];
type Hook = components["schemas"]["WebhookBody"];
type Asked = operations["createEdit"]["requestBody"]["content"]["application/json"];
type Accepted = operations["createEdit"]["responses"][202]["content"]["application/json"];
type Ended = operations["createEdit"]["responses"][201]["content"]["application/json"];
type Missing = operations["getEdit"]["responses"][404]["content"]["application/problem+json"];
type Listed = operations["listEdits"]["responses"][200]["content"]["application/json"];
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

async function submit(base: string, asked: Asked): Promise<Edit> {
  const response = await fetch(`${base}/v1/edits`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify(asked),
  });
  return answer<Accepted | Ended>(response);
}

function told(edit: Edit): string[] | null {
  switch (edit.status) {
    case "queued":
    case "running":
      console.error(edit.stage ?? `place ${edit.queue_position ?? "?"}`, edit.eta_seconds?.toFixed(1));
      return null;
    case "succeeded":
      return edit.outputs.map(({ interpolation, url, width, height }) =>
        [interpolation.toFixed(2), `${width}x${height}`, url].join(" "),
      );
    case "failed":
      throw new Refused(edit.error!);
    case "canceled":
      return [];
    default: {
      const never: never = edit.status; // every status has its case
      throw new Error(never);
    }
  }
}

export async function run(base: string, picture: string): Promise<string[]> {
  const asked: Asked = {
    prompt: "a cat that sits",
    image: { base64: picture },
    interpolation: [0.25, 0.5],
    output_format: "webp",
    params: { preset: "non_rigid", seed: 7 },
    metadata: { order: "1" },
  };
  let edit = await submit(base, asked);
  for (;;) {
    const lines = told(edit);
    if (lines) return lines;
    edit = await answer<Edit>(await fetch(`${edit.urls.self}?wait=20`));
  }
}

export async function refused(base: string): Promise<Problem> {
  const problem = (error: unknown) => (error as Refused).problem;
  return submit(base, { prompt: "" }).then(() => Promise.reject(new Error("accepted")), problem);
}

export async function listed(base: string): Promise<Listed> {
  const query: Query = { limit: 10, status: "succeeded" };
  const text = Object.entries(query).map(([name, value]) => `${name}=${String(value)}`);
  return answer<Listed>(await fetch(`${base}/v1/edits?${text.join("&")}`));
}

export function taken(hook: Hook): string {
  return hook.type === "edit.failed" ? (hook.data.error?.code ?? "unknown") : hook.data.status;
}

// What must not compile.

// @ts-expect-error there is no such format
export const misspelt: Asked = { prompt: "x", output_format: "jpg" };
// @ts-expect-error a prompt is needed
export const mute: Asked = { source: "edit_1" };
// @ts-expect-error the error of an edit can be null
export const careless = (edit: Edit): string => edit.error.code;
// @ts-expect-error the fields that are told of can be left out
export const unlisted = (problem: Missing): number => problem.errors.length;
// @ts-expect-error there is no such status
export const finished = (edit: Edit): boolean => edit.status === "finished";
