export { Baret, Edits, Uploads, type WaitOptions } from "./client.js";
export * from "./errors.js";
export type { Options } from "./http.js";
export type {
  Edit,
  EditEvent,
  Format,
  Identified,
  ImageSource,
  Model,
  NativeFile,
  NewEdit,
  NewUpload,
  Problem,
  Status,
  Upload,
  WebhookBody,
} from "./types.js";
export { verifyWebhook } from "./webhook.js";
