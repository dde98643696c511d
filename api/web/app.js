// The page: it shows the first screen, begins with a photo, or opens an edit by its address.

import { call } from "./api.js";
import { setUpCode } from "./code.js";
import { $, announce } from "./dom.js";
import { setUpHistory } from "./history.js";
import { chooseModel, setParameters, setUpOptions, showModels, showWorld } from "./options.js";
import { forget, photoOf, setUpPhoto, showPhoto } from "./photo.js";
import { clearProblem, guarded, setUpKey } from "./problem.js";
import { addTries, hideResult, removeTry, setUpResult, storedPhoto } from "./result.js";
import { hasEnded } from "./run.js";
import { showSamples } from "./samples.js";
import { setSentence, setUpSentence } from "./sentence.js";
import { session, setAddress } from "./session.js";
import { finish, setUpSubmit, stopFollowing, watch } from "./submit.js";
import { setUpViewer, showPhotoAlone } from "./viewer.js";
import { fit } from "./zoom.js";

// Shows the photo and its edits, or the first screen; a problem stands on the one that is shown.
function showWorkspace(visible) {
  if (visible) $("progress").after($("problem"));
  else $("welcome").prepend($("problem"));
  $("welcome").hidden = visible;
  $("workspace").hidden = !visible;
}

function leavePhoto() {
  stopFollowing();
  forget(session.photo);
  Object.assign(session, { photo: null, sha256: null, tries: [], shown: null });
  hideResult();
  clearProblem();
  fit();
}

function welcome() {
  leavePhoto();
  setAddress(null);
  showWorkspace(false);
  $("choose").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}

// Begins with a photo; a sample brings its sentence and its model, an edit its sentence.
async function begin(photo, sentence, model) {
  leavePhoto();
  session.photo = photo;
  setAddress(null);
  if (sentence !== undefined) setSentence(sentence);
  if (model) chooseModel(model);
  showWorld(sentence !== undefined);
  const image = new Image();
  image.src = photo.url;
  await image.decode().catch(() => (photo.url = null)); // HEIC, in most browsers
  showPhoto(photo);
  showPhotoAlone(photo.url);
  showWorkspace(true);
  $("prompt").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
  announce("Photo chosen. Say what the edited photo should show.");
}

// Opens an edit: after a reload, from the history, or by the browser's back button.
async function open(id) {
  const edit = await call(`v1/edits/${id}`);
  stopFollowing();
  clearProblem();
  if (session.sha256 !== edit.input.sha256) {
    leavePhoto();
    session.photo = photoOf(null, edit.id);
    session.sha256 = edit.input.sha256;
    showWorld(true); // the edit's own warnings say if it is not
    const page = await call("v1/edits?limit=100&status=succeeded");
    addTries(page.data.reverse().filter((one) => one.input.sha256 === session.sha256));
  }
  setSentence(edit.prompt);
  setParameters(edit);
  showPhoto({ ...session.photo, url: session.photo.url ?? storedPhoto(edit) }, edit.input);
  showWorkspace(true);
  if (hasEnded(edit)) return finish(edit);
  showPhotoAlone(session.photo.url, edit.input);
  return watch(edit);
}

async function route() {
  const id = location.hash.slice(1);
  if (!id) return welcome();
  if (session.running?.edit?.id === id) return undefined;
  const opened = await guarded(() => open(id), route);
  if (opened || session.photo) return stopFollowing();
  return showWorkspace(false); // with the problem above the ways to a photo
}

setUpKey();
setUpPhoto(begin);
setUpSentence();
setUpOptions();
setUpViewer();
setUpCode();
setUpHistory((id) => removeTry(id) || welcome());
setUpResult(begin);
setUpSubmit();
$("another").addEventListener("click", welcome);
window.addEventListener("popstate", route);
const models = await call("v1/models").then(
  (page) => page.data,
  () => [],
);
showModels(models);
await showSamples(models, begin);
if (location.hash) await route();
