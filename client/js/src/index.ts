export { Baret, Edits, type WaitOptions } from "./client.js";
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
  Problem,
  Status,
  WebhookBody,
} from "./types.js";
export { verifyWebhook } from "./webhook.js";
