// Small helpers: finding and making elements, announcing, writing times.

export const $ = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

// Says something to a screen reader, once.
export function announce(text) {
  if ($("announcement").textContent !== text) $("announcement").textContent = text;
}

export function seconds(value) {
  if (value < 10) return `${value.toFixed(1)} s`;
  return value < 100 ? `${Math.round(value)} s` : `${Math.round(value / 60)} min`;
}

// Drops the scheme and host of a service's address: behind a proxy, the page's own are right.
export function samePage(address) {
  const url = new URL(address);
  return url.pathname + url.search;
}

const SMALL = 256; // zoomed in, pictures up to this many pixels a side are not smoothed

export function pixelateIfSmall(image) {
  image.addEventListener("load", () => {
    const small = Math.max(image.naturalWidth, image.naturalHeight) <= SMALL;
    image.classList.toggle("pixelated", small);
  });
  return image;
}
