// Server-sent events (WHATWG HTML, 9.2), read with fetch so that a key can be sent.

import type { EditEvent } from "./types.js";

/** Yield the events of a stream; a part at its end that no empty line closes is dropped. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<EditEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parse(block: string): EditEvent | null {
  const fields = new Map<string, string>();
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
  }
  const [id, type, data] = ["id", "event", "data"].map((name) => fields.get(name));
  if (id === undefined || type === undefined || data === undefined) return null;
  return { id, type: type as EditEvent["type"], data: JSON.parse(data) as Record<string, unknown> };
}
