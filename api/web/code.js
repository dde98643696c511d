// The edit that is shown as a command or a program, to copy.

import { address, hasKey } from "./api.js";
import { $, announce } from "./dom.js";
import { isDefaultModel } from "./options.js";

// What may be left out of a request if it has this value.
const DEFAULTS = { model: null, preset: "auto", strength: null, seed: 0 };
let shown = null;

// What the request says beyond photo and sentence.
function fields({ edit, output }) {
  const model = isDefaultModel(edit.model) ? null : edit.model;
  const values = { ...edit.params, model, strength: output.strength };
  const chosen = Object.keys(DEFAULTS).filter((name) => values[name] !== DEFAULTS[name]);
  return { prompt: edit.prompt, ...Object.fromEntries(chosen.map((name) => [name, String(values[name])])) };
}

const LANGUAGES = {
  curl: (data, photo) => {
    const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const key = hasKey() ? ['-H "Authorization: Bearer $BARET_API_KEY"'] : [];
    const form = Object.entries(data).map(([name, text]) => `--form-string ${quote(`${name}=${text}`)}`);
    const parts = [`curl -s ${address("v1/edits")} -H 'Prefer: wait=60'`, ...key, `-F image=@${photo}`, ...form];
    return `${parts.join(" \\\n  ")}\n# The edited photo is at outputs[0].url of the answer.`;
  },
  python: (data, photo) => {
    const key = hasKey() ? `, headers={"Authorization": "Bearer " + os.environ["BARET_API_KEY"]}` : "";
    return `${key ? "import os\n" : ""}import httpx

data = ${JSON.stringify(data, null, 4)}
with httpx.Client(base_url="${address("")}", timeout=90${key}) as client:
    with open("${photo}", "rb") as photo:
        edit = client.post("v1/edits", files={"image": photo}, data=data).json()
    while edit["status"] in ("queued", "running"):
        edit = client.get(f"v1/edits/{edit['id']}?wait=30").json()
    with open("edited.png", "wb") as file:
        file.write(client.get(edit["outputs"][0]["url"]).content)
`;
  },
  javascript: (data, photo) => {
    const key = hasKey() ? "\nconst headers = { Authorization: `Bearer ${process.env.BARET_API_KEY}` };" : "\nconst headers = {};";
    return `import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
${key}
const service = "${address("")}";
const form = new FormData();
form.set("image", await openAsBlob("${photo}"), "${photo}");
const data = ${JSON.stringify(data, null, 2)};
for (const [name, value] of Object.entries(data)) form.set(name, value);
let answer = await fetch(service + "v1/edits", { method: "POST", body: form, headers });
let edit = await answer.json();
while (["queued", "running"].includes(edit.status)) {
  answer = await fetch(\`\${service}v1/edits/\${edit.id}?wait=30\`, { headers });
  edit = await answer.json();
}
const image = await fetch(edit.outputs[0].url);
await writeFile("edited.png", new Uint8Array(await image.arrayBuffer()));
`;
  },
};

function show() {
  const language = document.querySelector('input[name="language"]:checked').value;
  // A name that needs no quotes in any of the languages.
  const name = /^[\w-][\w.-]*$/.test(shown.photoName) ? shown.photoName : "photo.jpg";
  $("snippet").textContent = LANGUAGES[language](fields(shown), name);
}

export function showCode(one, photoName) {
  shown = { ...one, photoName };
  show();
  $("code").hidden = false;
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("snippet").textContent);
    announce("Copied");
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), 2000);
  } catch {
    // Without HTTPS, or without permission, a page cannot copy; a person can.
    getSelection().selectAllChildren($("snippet"));
    announce("Selected. Copy it with your keyboard.");
  }
}

export function setUpCode() {
  for (const input of document.querySelectorAll('input[name="language"]')) {
    input.addEventListener("change", show);
  }
  $("copy").addEventListener("click", copy);
}
