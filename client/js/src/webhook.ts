// Verification of webhooks, after Standard Webhooks 1.0.0, with Web Crypto.

import { WebhookRejected } from "./errors.js";
import type { WebhookBody } from "./types.js";

const TOLERANCE = 300; // seconds that a webhook's clock may differ from ours

type Headers = Record<string, string | string[] | undefined> | { get(name: string): string | null };

/**
 * Return a webhook's event if the service signed it, with this secret, a short time ago.
 *
 * @param headers of the request: an object, as Node and Express have them, or `Headers`.
 * @param body of the request, exactly as it came: not parsed and written again.
 * @param secret `whsec_…`, as `client.webhookSecret()` returns it.
 * @throws WebhookRejected if it is not signed with this secret, was altered, or is too old.
 */
export async function verifyWebhook(
  headers: Headers,
  body: string | Uint8Array,
  secret: string,
  tolerance: number = TOLERANCE,
): Promise<WebhookBody & { id: string }> {
  const [id, sentAt, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    read(headers, name),
  ) as [string, string, string];
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const key = await crypto.subtle.importKey(
    "raw",
    bytesOf(secret.replace(/^whsec_/, "")),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  const signed = new TextEncoder().encode(`${id}.${sentAt}.${text}`);
  let valid = false;
  for (const signature of signatures.split(" ")) {
    const [version, encoded = ""] = signature.split(",");
    if (version !== "v1") continue;
    const given = tryBytesOf(encoded);
    if (given && (await crypto.subtle.verify("HMAC", key, given, signed))) valid = true;
  }
  if (!valid) throw new WebhookRejected("The webhook is not signed with this secret.");
  if (!(Math.abs(Date.now() / 1000 - Number(sentAt)) <= tolerance))
    throw new WebhookRejected("The webhook is too old, or this machine's clock is wrong.");
  return { ...(JSON.parse(text) as WebhookBody), id };
}

function read(headers: Headers, name: string): string {
  if ("get" in headers && typeof headers.get === "function") return headers.get(name) ?? "";
  const given = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return (Array.isArray(given) ? given[0] : (given as string | undefined)) ?? "";
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function tryBytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return bytesOf(base64);
  } catch {
    return null;
  }
}
