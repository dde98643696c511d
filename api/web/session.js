// What the page works on: one photo, its edits, and the one that is shown.

export const session = {
  photo: null, // as `photoOf` returns it
  sha256: null, // of the photo, once an edit of it is known
  tries: [], // {edit, output} of every succeeded edit of the photo
  shown: null, // one of the tries
  running: null, // {edit, controller} of the edit that is followed; `edit` is null until accepted
};

// Puts the edit into the page's address, so that a reload or a link opens it again.
export function setAddress(id, { replace = false } = {}) {
  const hash = id ? `#${id}` : "";
  if (location.hash === hash) return;
  const url = location.pathname + location.search + hash;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
}
