// Zoom: buttons, keys, ctrl and the wheel (a trackpad's pinch), two fingers. Scrolling moves about.

import { $ } from "./dom.js";

const MAX = 8;
let zoom = 1;
const fingers = new Map(); // pointer id to {x, y}

export const zoomed = () => zoom > 1;

// Zooms so that the point (x, y) of the window stays where it is.
function zoomTo(wanted, x, y) {
  const pane = $("pane");
  const next = Math.min(MAX, Math.max(1, wanted));
  const box = pane.getBoundingClientRect();
  const [left, top] = [(x ?? box.left + box.width / 2) - box.left, (y ?? box.top + box.height / 2) - box.top];
  const [h, v] = [pane.scrollLeft + left, pane.scrollTop + top];
  $("canvas").style.setProperty("--zoom", next);
  pane.scrollTo({ left: h * (next / zoom) - left, top: v * (next / zoom) - top, behavior: "instant" });
  zoom = next;
  $("viewer").toggleAttribute("data-zoomed", zoom > 1);
  $("zoom-fit").textContent = zoom === 1 ? "Fit" : `${Math.round(zoom * 100)} %`;
  $("zoom-fit").setAttribute("aria-label", zoom === 1 ? "Fit" : `${Math.round(zoom * 100)} %, fit again`);
  $("zoom-out").disabled = zoom === 1;
  $("zoom-in").disabled = zoom === MAX;
}

export const fit = () => zoomTo(1);

function setUpPinch(pane) {
  const distance = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);
  const point = (event) => ({ x: event.clientX, y: event.clientY });
  pane.addEventListener("pointerdown", (event) => fingers.set(event.pointerId, point(event)));
  pane.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, point(event));
    if (fingers.size !== 2) return;
    const [a, b] = fingers.values();
    zoomTo(zoom * (distance([a, b]) / distance(before)), (a.x + b.x) / 2, (a.y + b.y) / 2);
  });
  for (const type of ["pointerup", "pointercancel", "pointerleave"]) {
    pane.addEventListener(type, (event) => fingers.delete(event.pointerId));
  }
}

export function setUpZoom() {
  const pane = $("pane");
  const keys = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };
  $("zoom-in").addEventListener("click", () => zoomTo(zoom * 1.5));
  $("zoom-out").addEventListener("click", () => zoomTo(zoom / 1.5));
  $("zoom-fit").addEventListener("click", fit);
  pane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    if (event.key in keys) zoomTo(zoom * keys[event.key]);
    if (event.key === "0") fit();
  });
  pane.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoomTo(zoom * Math.exp(-event.deltaY / 200), event.clientX, event.clientY);
    },
    { passive: false },
  );
  setUpPinch(pane);
  fit();
}
