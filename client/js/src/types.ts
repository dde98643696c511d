// The interface's types, by the names that a program uses. `api.ts` is generated from the service's
// description; see README.md.

import type { components, operations } from "./api.js";

export type Edit = components["schemas"]["Edit"];
export type Model = components["schemas"]["ListedModel"];
export type Upload = components["schemas"]["Upload"];
export type Problem = components["schemas"]["Problem"];
export type WebhookBody = components["schemas"]["WebhookBody"];
export type Batch = components["schemas"]["Batch"];
export type BatchResult = components["schemas"]["BatchResult"];
export type BatchWebhookBody = components["schemas"]["BatchWebhookBody"];
export type Status = Edit["status"];
export type Format = "png" | "webp" | "jpeg";

type UploadRequest = operations["createUpload"]["requestBody"]["content"]["application/json"];
type BatchRequest = operations["createBatch"]["requestBody"]["content"]["application/json"];
type Request = operations["createEdit"]["requestBody"]["content"]["application/json"];

/** Bodies of edits, or lines of OpenAI's Batch API; or text with one a line. */
export type NewBatch = Omit<BatchRequest, "edits"> & { edits: BatchRequest["edits"] | string };

/** What will be sent to an upload. */
export type NewUpload = UploadRequest;

/** The parameters of an edit, and whose image it starts from. */
export type NewEdit = Omit<Request, "image" | "params"> & { image?: ImageSource | { upload: string } };

/** How React Native names a file on the phone. */
export interface NativeFile {
  uri: string;
  name: string;
  type: string;
}

/** A Blob or File, bytes (a Buffer too), an `https:` or `data:` address, or a file on a phone. */
export type ImageSource = Blob | ArrayBuffer | Uint8Array | NativeFile | string;

/** An edit or its id. */
export type Identified = string | { id: string };

export interface EditEvent {
  id: string;
  type: "status" | "progress" | "preview" | "done";
  data: Record<string, unknown>;
}

export const idOf = (edit: Identified): string => (typeof edit === "string" ? edit : edit.id);
