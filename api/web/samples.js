// The sample pictures on the first screen, each with a sentence that works with the bundled model.

import { address, request } from "./api.js";
import { $, element } from "./dom.js";
import { SMALL_MODEL } from "./options.js";
import { photoOf } from "./photo.js";


// Shows the samples if the service has their model. `onSample` gets a photo and a sentence.
export async function showSamples(models, onSample) {
  if (!models.some((model) => model.id === SMALL_MODEL)) return;
  const samples = await (await fetch(address("samples/index.json"))).json();
  $("sample-list").replaceChildren(...samples.map((sample) => card(sample, onSample)));
  $("samples").hidden = false;
}

// The sentence with the words in bold that the photo's caption does not have.
function emphasized({ caption, prompt }) {
  const known = new Set(caption.match(/\w+/g));
  return prompt.split(/(\w+)/).map((part) =>
    /\w/.test(part) && !known.has(part) ? element("b", { textContent: part }) : part,
  );
}

function card(sample, onSample) {
  const image = element("img", { alt: sample.caption, loading: "lazy" });
  image.src = address(`samples/${sample.file}`);
  const button = element(
    "button",
    { type: "button" },
    image,
    element("span", {}, ...emphasized(sample)),
  );
  button.addEventListener("click", async () => {
    const blob = await (await request(`samples/${sample.file}`)).blob();
    const photo = photoOf(new File([blob], sample.file, { type: blob.type }));
    onSample(photo, sample.prompt, SMALL_MODEL);
  });
  return element("li", {}, button);
}
