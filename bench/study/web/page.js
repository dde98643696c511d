// The page of a study: one pair at a time, three questions, saved on Next.

const $ = (id) => document.getElementById(id);
const QUESTIONS = ["asked", "kept", "better"];
const fieldsets = [...document.querySelectorAll("fieldset")];

let rater = new URLSearchParams(location.search).get("rater")?.trim() ?? "";
let pairs = [];
const answers = new Map(); // by pair
let at = 0; // index of the pair that is shown
let question = 0; // index of the marked question; 3 is the Next button

start();

async function start() {
  restoreSettings();
  labelKeys();
  listen();
  if (!rater) return askName();
  try {
    pairs = await load("/study");
    for (const answer of await load(answersUrl())) answers.set(answer.pair, answer);
  } catch (error) {
    askName();
    return alertWith($("name-hint"), error.message);
  }
  $("rater").textContent = rater;
  $("help").hidden = false;
  goTo(nextOpen());
}

function askName() {
  show("who");
  $("name").value = rater;
  $("name").focus();
}

function listen() {
  $("who").addEventListener("submit", (event) => {
    event.preventDefault();
    location.search = new URLSearchParams({ rater: $("name").value.trim() });
  });
  $("rate").addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  $("back").addEventListener("click", () => goTo(at - 1));
  $("back-in").addEventListener("click", () => goTo(pairs.length - 1));
  for (const fieldset of fieldsets) {
    fieldset.addEventListener("change", () => mark(firstOpen()));
  }
  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => enlarge(button.querySelector("img")));
  }
  $("large-image").addEventListener("click", () => $("large").close());
  document.addEventListener("keydown", onKey);
}

// Pairs

function goTo(index) {
  if (index >= pairs.length) return finish();
  at = Math.max(0, index);
  const pair = pairs[at];
  show("rate");
  $("sentence").textContent = pair.prompt;
  for (const side of ["photo", "left", "right"]) $(side).src = imageUrl(pair[side]);
  $("rate").reset();
  const answer = answers.get(pair.pair);
  if (answer) for (const name of QUESTIONS) $("rate").elements[name].value = answer[name];
  $("back").disabled = at === 0;
  $("problem").hidden = true;
  mark(0);
  preload(pairs[at + 1]);
  $("asked-for").focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function finish() {
  show("done");
  $("done").querySelector("h2").focus();
}

function show(id) {
  for (const part of ["who", "rate", "done"]) $(part).hidden = part !== id;
  $("progress").hidden = id === "who";
  $("progress").max = pairs.length || 1;
  $("progress").value = answers.size;
  const counts = { who: "", rate: `${at + 1} of ${pairs.length}`, done: `${answers.size} answered` };
  $("count").textContent = counts[id];
}

async function save() {
  const answer = chosen();
  const open = QUESTIONS.findIndex((name) => !answer[name]);
  if (open >= 0) {
    mark(open);
    return alertWith($("problem"), `Please answer: ${fieldsets[open].querySelector("legend").textContent}`);
  }
  $("next").disabled = true;
  try {
    if (!same(answer, answers.get(answer.pair))) await store(answer);
    answers.set(answer.pair, answer);
    goTo(at + 1 < pairs.length ? at + 1 : nextOpen());
  } catch (error) {
    alertWith($("problem"), `Not saved: ${error.message} Press Next to try again.`);
  } finally {
    $("next").disabled = false;
  }
}

function chosen() {
  const answer = { pair: pairs[at].pair };
  for (const name of QUESTIONS) answer[name] = $("rate").elements[name].value;
  return answer;
}

function same(one, other) {
  return other && QUESTIONS.every((name) => one[name] === other[name]);
}

function nextOpen() {
  const index = pairs.findIndex((pair) => !answers.has(pair.pair));
  return index < 0 ? pairs.length : index;
}

// Questions

function mark(index) {
  question = index;
  fieldsets.forEach((fieldset, i) => fieldset.classList.toggle("current", i === index));
  $("next").classList.toggle("current", index === QUESTIONS.length);
}

function firstOpen() {
  const index = QUESTIONS.findIndex((name) => !$("rate").elements[name].value);
  return index < 0 ? QUESTIONS.length : index;
}

function onKey(event) {
  const typing = event.target.matches?.("input:not([type=radio]), summary, a");
  const busy = $("rate").hidden && $("done").hidden;
  if (!$("keys").checked || typing || busy || $("large").open) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "Backspace") stepBack();
  else if ($("rate").hidden) return;
  else if (event.key === "Enter" && !event.target.matches?.("button")) save();
  else if (/^[1-4]$/.test(event.key)) press(Number(event.key) - 1);
  else return;
  event.preventDefault();
}

function press(choice) {
  const input = fieldsets[question]?.querySelectorAll("input")[choice];
  if (!input) return;
  input.checked = true;
  $("problem").hidden = true;
  mark(question + 1);
}

function stepBack() {
  if (!$("done").hidden) goTo(pairs.length - 1);
  else if (question > 0) mark(question - 1);
  else if (at > 0) goTo(at - 1);
}

function labelKeys() {
  for (const fieldset of fieldsets) {
    fieldset.querySelectorAll("span").forEach((span, i) => { span.dataset.key = i + 1; });
  }
}

// Pictures, settings, messages

function enlarge(image) {
  $("large-image").src = image.src;
  $("large-image").alt = image.alt;
  $("large").showModal();
}

function preload(pair) {
  if (pair) for (const side of ["photo", "left", "right"]) new Image().src = imageUrl(pair[side]);
}

function restoreSettings() {
  for (const id of ["keys", "exact"]) {
    const stored = localStorage.getItem(id);
    if (stored !== null) $(id).checked = stored === "true";
    const apply = () => document.body.classList.toggle(id, $(id).checked);
    apply();
    $(id).addEventListener("change", () => {
      localStorage.setItem(id, $(id).checked);
      apply();
    });
  }
}

function alertWith(element, text) {
  element.textContent = text;
  element.hidden = false;
}

// The server

function imageUrl(name) {
  return `/images/${name}.png`;
}

function answersUrl() {
  return `/answers?${new URLSearchParams({ rater })}`;
}

async function load(url) {
  return (await request(url)).json();
}

async function store(answer) {
  await request(answersUrl(), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(answer),
  });
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error("The study's server does not answer.");
  }
  if (response.ok) return response;
  const { detail } = await response.json().catch(() => ({}));
  throw new Error(typeof detail === "string" ? detail : `The server answered ${response.status}.`);
}
