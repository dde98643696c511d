// The body of a POST: a form if the image is sent as bytes, JSON if it is an address or an upload.

import type { ImageSource, NativeFile, NewEdit } from "./types.js";

export interface Body {
  body: BodyInit;
  headers: Record<string, string>;
}

const isNative = (image: object): image is NativeFile => "uri" in image;

export function bodyOf(edit: NewEdit): Body {
  const { image, ...fields } = edit;
  if (image === undefined || typeof image === "string" || "upload" in image) {
    const given = image === undefined ? fields : { ...fields, image };
    return { body: JSON.stringify(given), headers: { "Content-Type": "application/json" } };
  }
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  append(form, image);
  return { body: form, headers: {} };
}

/** The image as the whole body of a request. */
export async function bytesOf(image: Exclude<ImageSource, string>): Promise<BodyInit> {
  if (!isNative(image)) return image as BodyInit;
  return (await fetch(image.uri)).blob(); // React Native reads its own files so
}

function append(form: FormData, image: Exclude<ImageSource, string>): void {
  if (isNative(image)) {
    // React Native's FormData reads the file itself.
    form.append("image", image as unknown as Blob);
  } else {
    const blob = image instanceof Blob ? image : new Blob([image as BlobPart]);
    form.append("image", blob, "name" in blob ? String(blob.name) : "image");
  }
}
