// The photo: chosen, dropped, pasted, shot, a sample, or the result of an edit.

import { $ } from "./dom.js";

// `file` is null for the photo of an edit that another tab or another day made; `source` is the id
// of an edit with this photo, whose upload can be used again; `url` shows it, if the browser can.
export function photoOf(file, source = null) {
  return { file, source, name: file?.name ?? "", url: file ? URL.createObjectURL(file) : null };
}

export function forget(photo) {
  if (photo?.file) URL.revokeObjectURL(photo.url);
}

export function showPhoto(photo, size) {
  $("thumb").hidden = !photo.url;
  if (photo.url) $("thumb").src = photo.url;
  else $("thumb").removeAttribute("src");
  $("photo-name").textContent = photo.name || (size ? `${size.width} × ${size.height}` : "Photo");
}

export function setUpPhoto(onPhoto) {
  const take = (files) => {
    const file = [...(files ?? [])].find((one) => one.type.startsWith("image/") || !one.type);
    if (file) onPhoto(photoOf(file));
    return Boolean(file);
  };
  for (const [button, input] of [["choose", "file"], ["shoot", "camera"]]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", () => {
      take($(input).files);
      $(input).value = ""; // so that the same file can be chosen again
    });
  }
  $("shoot").hidden = !navigator.maxTouchPoints; // elsewhere it would open the same dialog
  // Not every browser shows HEIC. The name is there, and the service can read it.
  $("thumb").addEventListener("error", () => ($("thumb").hidden = true));
  document.addEventListener("paste", (event) => {
    if (take(event.clipboardData?.files)) event.preventDefault();
  });
  setUpDrop(take);
}

function setUpDrop(take) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    $("dropping").hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("dropping").hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    $("dropping").hidden = true;
    take(event.dataTransfer.files);
  });
}
