export { Batches } from "./batches.js";
export { Baret, Edits, Uploads, type WaitOptions } from "./client.js";
export * from "./errors.js";
export type { Options } from "./http.js";
export type {
  Batch,
  BatchResult,
  BatchWebhookBody,
  Edit,
  EditEvent,
  Format,
  Identified,
  ImageSource,
  Model,
  NativeFile,
  NewBatch,
  NewEdit,
  NewUpload,
  Problem,
  Status,
  Upload,
  WebhookBody,
} from "./types.js";
export { verifyWebhook } from "./webhook.js";
