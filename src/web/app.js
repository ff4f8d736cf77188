// The page: keeps what is shown in step with the daemon, and sends it what is wished.

import { Changes, address, ask, askJson, follow } from "./api.js";
import { Charts } from "./charts.js";
import { Drives } from "./drives.js";
import { download, element, notice, setValue, showList, the } from "./dom.js";
import { Gallery } from "./gallery.js";
import { LookPanel, normalised, toggled } from "./look.js";
import { Midi } from "./midi.js";
import { Outputs } from "./outputs.js";
import { Paintings } from "./paintings.js";
import { Photo } from "./photo.js";
import { Presets } from "./presets.js";
import { Recordings, clock } from "./recordings.js";
import { Show } from "./show.js";
import { Sources } from "./sources.js";
import { Split } from "./split.js";
import { Watch } from "./watch.js";

const SIZES = ["auto", "native", "320x180", "480x270", "640x360", "960x540", "1280x720"];
const SIZE_TITLES = { auto: "as large as is fast enough", native: "the picture's own size" };
const STATUSES = { starting: "Starting…", failed: "It failed, and is tried again", ended: "Its file is over" };
const LINKS = { connecting: "Connecting…", lost: "The daemon is gone; trying again…", locked: "The token is missing" };

/** The stream that is shown, as the daemon told it last. */
let stream = null;
let streams = new Map();
let styles = [];
let previews = new Set();
let gallery = null;
let listed = null;
/** The parameters of a look, as the daemon describes them. */
let parameters = {};
/** How photographs are painted, and by which network; it begins with what paints the stream when the tab is first seen. */
let photoLook = null;

const view = () => document.body.dataset.view;
const link = () => document.body.dataset.link;
const path = (rest = "", name = stream.name) => `streams/${encodeURIComponent(name)}${rest}`;

/** Notes what the stream `name` answered, whichever is shown by then. */
function note(name, now) {
  const asked = streams.get(name);
  if (asked && now) Object.assign(asked, now);
}

// The look

/** The changes that are wished of each stream, by its name. */
const changes = new Map();

function settled(problem) {
  if (problem) notice(problem.message);
  show();
}

function changesOf(name) {
  if (!changes.has(name)) {
    const send = async (patch) => note(name, pick(await askJson("PATCH", path("/look", name), patch), "look", "network"));
    changes.set(name, new Changes(send, settled));
  }
  return changes.get(name);
}

const look = () => (view() === "photo" ? photoLook : { ...stream.look, ...changesOf(stream.name).open });

function change(patch) {
  if (view() === "photo") {
    photoLook = paintable({ ...photoLook, ...patch });
    photo.paint(photoLook);
  } else if (stream) {
    changesOf(stream.name).push(patch);
  }
  show();
}

const panel = new LookPanel(change);

const knows = (network, name) => styles.some((style) => style.network === network && style.name === name);

/** A look with a network that knows its styles: whoever picks another one's style wants that. */
function paintable(look) {
  const knowsAll = ({ network }) => Object.keys(look.styles).every((name) => knows(network, name));
  return knowsAll(look) ? look : { ...look, network: styles.find(knowsAll)?.network ?? "" };
}

const plainLook = () => Object.fromEntries(Object.entries(parameters).map(([name, about]) => [name, about.default]));

/** The network that paints what is seen. */
const painter = () => (view() === "photo" ? photoLook.network : stream?.network);

/** The styles without those that a network of the same style hides: a name alone says what is painted. */
function reachable() {
  const byName = new Map();
  for (const style of styles) {
    if (!byName.has(style.name) || style.network === painter()) byName.set(style.name, style);
  }
  return styles.filter((style) => byName.get(style.name) === style);
}

function showLook() {
  const all = reachable();
  const list = all.map((style) => `${style.network}/${style.name}`).join();
  if (list !== listed) {
    listed = list;
    gallery = new Gallery(the("styles"), all, previews, {
      pick: (style) => change({ styles: { [style.name]: 1 } }),
      toggle: (style) => change({ styles: toggled(normalised(look().styles), style.name) }),
      remove: (style) => paintings.remove(style),
    });
  }
  const networks = [...new Set([...styles.map((style) => style.network), ...(stream ? [stream.network] : [])])];
  showList(the("network"), networks, (value) => element("option", { value }, value));
  setValue(the("network"), painter());

  const { styles: mix } = look();
  gallery.show(normalised(mix), all.find((style) => style.name in mix)?.network ?? painter());
  panel.show(look(), all.filter((style) => style.name in mix));
}

// The live picture

const split = new Split(the("live-split"));
const video = the("video");
const watch = new Watch(video, () => {
  video.hidden = !watch.isPlaying;
  openPictures();
  show();
});
let comparing = localStorage.getItem("compare") !== "off";

/** Opens the moving pictures anew, or closes them while nobody sees them: they cost the daemon something. */
function openPictures() {
  const seen = stream?.status === "running" && link() === "live" && view() === "live" && !document.hidden;
  const offers = seen && stream.outputs.some(({ kind }) => kind === "webrtc") ? path("/whep") : "";
  if (!offers && watch.isPlaying) freeze(the("painted"), video);
  watch.play(watch.canPlay(offers) ? offers : "");
  // Until the video comes, and where it does not.
  play(the("painted"), seen && !watch.isPlaying && "painted");
  play(the("source"), seen && comparing && "source");
}

function play(image, which) {
  const wanted = which ? address(path(`/preview?which=${which}`)) : "";
  if (image.dataset.playing === wanted) return;
  image.dataset.playing = wanted;
  // A closed picture stays as it was.
  if (wanted) image.src = wanted;
  else if (image.naturalWidth === 0) image.removeAttribute("src");
  else freeze(image);
}

/** Replaces a moving picture by its latest one, or that of a video. */
function freeze(image, from = image) {
  const canvas = element("canvas", { width: from.videoWidth ?? from.naturalWidth, height: from.videoHeight ?? from.naturalHeight });
  canvas.getContext("2d").drawImage(from, 0, 0);
  image.src = canvas.toDataURL("image/jpeg");
}

const shape = (width, height) => the("live-split").style.setProperty("--ratio", width / height);

video.onresize = () => video.videoWidth && shape(video.videoWidth, video.videoHeight);
video.onvolumechange = () => show();

for (const id of ["painted", "source"]) {
  the(id).onload = ({ target }) => {
    shape(target.naturalWidth, target.naturalHeight);
  };
  the(id).onerror = ({ target }) => {
    if (!target.dataset.playing) return;
    setTimeout(() => {
      target.dataset.playing = "";
      openPictures();
    }, 2000);
  };
}

function setComparing(wanted) {
  comparing = wanted;
  localStorage.setItem("compare", wanted ? "on" : "off");
  split.shown = wanted;
  the("source").hidden = !wanted;
  the("compare").setAttribute("aria-pressed", wanted);
  openPictures();
}

// What can be done with the stream

/**
 * Does something with the stream, its control being busy meanwhile; errors are shown in words.
 * A busy control keeps the focus, for those who use the keyboard: a list that is moved on meanwhile is taken at the end.
 */
async function act(control, action) {
  if (!stream || control.ariaBusy === "true") return;
  control.ariaBusy = "true";
  const { name } = stream;
  const asked = control.value;
  try {
    note(name, await action());
  } catch (problem) {
    notice(problem.message);
  } finally {
    control.ariaBusy = "false";
    if (control.value !== asked) control.dispatchEvent(new Event("change"));
    show();
  }
}

const ACTIONS = {
  compare: () => setComparing(!comparing),
  sound: () => (video.muted = !video.muted),
  pause: () => act(the("pause"), () => settings("POST", stream.paused ? "/resume" : "/pause")),
  mirror: () => act(the("mirror"), () => settings("PATCH", "", { mirrored: !stream.mirrored })),
  snapshot: () => act(the("snapshot"), async () => {
    const painted = Object.keys(stream.look.styles).join("-");
    const png = await (await ask("POST", path("/snapshot"))).blob();
    const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    download(png, `impasto-${painted}-${time}.png`);
  }),
  record: () => act(the("record"), async () => {
    const { file, recording } = await askJson("POST", path("/record"), stream.recording ? { stop: true } : {});
    notice(recording ? `Recording into ${file}` : `Recorded: ${file}`, "news");
    return { recording: recording ? file : null };
  }),
  undo: () => act(the("undo"), () => paintAs("/undo")),
  save: () => act(the("save"), async () => {
    const { file, saved, left_out } = await askJson("POST", path("/save"));
    notice([saved.length ? `Saved in ${file}: ${saved.join(", ")}` : `${file} says so already`, ...left_out].join("; "), "news");
  }),
  full: () => (document.fullscreenElement ? document.exitFullscreen() : the("live-split").requestFullscreen()),
};

const settings = async (method, rest, body) =>
  pick(await askJson(method, path(rest), body), "network", "size", "mirrored", "paused");

const paintAs = async (rest, body, name) => pick(await askJson("POST", path(rest, name), body), "look", "network");

/** Of presets that are pressed one after the other, the latest is what counts. */
const pressed = new Changes(async ({ of, name }) => note(of, await paintAs("/preset", { name }, of)), settled);

const recordings = new Recordings();

const outputs = new Outputs({
  add: (button, wish) => act(button, async () => ({ outputs: await askJson("POST", path("/outputs"), wish) })),
  remove: (button, id) => act(button, async () => ({ outputs: await askJson("DELETE", path(`/outputs/${id}`)) })),
});

const playing = new Show({
  // What comes of it is told by events, of which the answer may know less.
  command: (target, request) => act(target, async () => void (await ask("PUT", path("/show"), request))),
  lists: () => askJson("GET", path("/show")),
});

const drivePath = (parameter) => path(`/drives/${parameter}`);
const drives = new Drives({
  // As with the show, events know more than answers.
  set: (control, parameter, drive) => act(control, async () => void (await ask("PUT", drivePath(parameter), drive))),
  remove: (control, parameter) => act(control, async () => void (await ask("DELETE", drivePath(parameter)))),
});

const askMidi = (control, ...request) => act(control, async () => void (await ask(...request)));
const midi = new Midi({
  learn: (control, target) => askMidi(control, "POST", "midi/learn", { stream: stream.name, ...target }),
  cancel: (control) => askMidi(control, "DELETE", "midi/learn"),
  unbind: (control, id) => askMidi(control, "DELETE", `midi/bindings/${id}`),
});

const paintings = new Paintings(async (name) => {
  await learn();
  change({ styles: { [name]: 1 } });
});

const presets = new Presets({
  paint: (name) => stream && pressed.push({ of: stream.name, name }),
  painted: () => stream && pick(stream, "look", "network", "size"),
});

for (const [id, action] of Object.entries(ACTIONS)) the(id).onclick = action;

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input:not([type=range], [type=checkbox]), select, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || view() !== "live" || the("token-dialog").open) return;
  const id = Object.keys(ACTIONS).find((id) => the(id).getAttribute("aria-keyshortcuts") === event.key.toLowerCase());
  if (id) the(id).click();
  else if (!event.target.matches("select")) presets.press(event.key);
});

the("network").onchange = ({ target }) => {
  const network = target.value;
  if (view() !== "photo") return act(target, () => settings("PATCH", "", { network }));
  // What it does not know leaves the mix.
  const mix = Object.entries(photoLook.styles).filter(([name]) => knows(network, name));
  change({ network, styles: normalised(Object.fromEntries(mix)) });
};
the("size").onchange = ({ target }) => act(target, () => settings("PATCH", "", { size: target.value }));

const sources = new Sources(async (source) => {
  let worked = false;
  await act(the("source-pick"), async () => {
    const now = await askJson("POST", path("/source"), { source, loop: the("source-loop").checked });
    worked = true;
    return now;
  });
  return worked;
});

// What is shown

function show() {
  if (stream || view() === "photo") showLook();
  if (!stream) return;
  press("pause", stream.paused, "Resume", "Pause");
  press("mirror", stream.mirrored, "Mirror", "Mirror");
  press("sound", !video.muted, "Sound", "Sound");
  the("sound").hidden = !stream.sound || !watch.isPlaying;
  press("record", Boolean(stream.recording), `Stop ${clock(stream.recording_s ?? 0)}`, "Record");
  recordings.follow([...streams.values()].map(({ recording }) => recording).join("\n"));

  the("undo").disabled = !stream.undo || stream.status !== "running";

  const size = the("size");
  const sizes = SIZES.includes(stream.size) ? SIZES : [...SIZES, stream.size];
  showList(size, sizes, (value) => element("option", { value }, SIZE_TITLES[value] ?? value));
  setValue(size, stream.size);
  const box = stream.bounding_box ? `within ${stream.bounding_box}` : `at ${stream.picture}`;
  const painting = `${stream.network} paints ${box} on ${stream.device}; the output is ${stream.picture}.`;
  the("size-now").textContent = stream.status === "running" ? painting : "";
  the("source-now").textContent = `Now: ${stream.source}, ${stream.nominal_fps} frames a second${stream.sound ? ", with sound" : ""}`;

  outputs.show(stream.outputs);
  playing.show(stream.name, stream.show);
  drives.show(stream.driven);
  showList(the("failures"), [...stream.failures, ...(stream.error ? [stream.error] : [])], (failure) => element("li", {}, failure));
  showLink();
}

function press(id, isPressed, pressedTitle, title) {
  the(id).setAttribute("aria-pressed", isPressed);
  the(id).querySelector("span").textContent = isPressed ? pressedTitle : title;
}

function showLink() {
  let text = LINKS[link()];
  if (link() === "live") {
    if (!stream) text = "No stream runs yet";
    else if (stream.status !== "running") text = STATUSES[stream.status];
    else if (stream.paused) text = "Paused";
    else if (stream.fps < 0.5) text = "No picture comes from the source";
    else text = `${stream.fps.toFixed(stream.fps < 10 ? 1 : 0)} fps`;
  }
  if (the("link").textContent !== text) the("link").textContent = text;
}

// Several streams, two views

const charts = new Charts(the("charts"));

function choose(name) {
  if (stream?.name === name) return;
  stream = streams.get(name);
  charts.clear();
  openPictures();
}

the("stream").onchange = ({ target }) => {
  choose(target.value);
  show();
};

function goTo(wanted) {
  // Photographs are painted whatever becomes of the streams.
  if (!stream && wanted === "live") return;
  photoLook ??= paintable({ ...(stream?.look ?? plainLook()), network: stream?.network ?? styles[0]?.network });
  document.body.dataset.view = wanted;
  document.querySelectorAll("[data-goto]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.goto === wanted));
  openPictures();
  show();
}

document.querySelectorAll("[data-goto]").forEach((button) => (button.onclick = () => goTo(button.dataset.goto)));

const photo = new Photo(() => {
  goTo("photo");
  photo.paint(photoLook);
});

// The daemon

async function learn() {
  const [all, painted, api] = await Promise.all([
    askJson("GET", "styles"),
    fetch("gallery/index.json").then((response) => response.json()),
    askJson("GET", "openapi.json"),
  ]);
  styles = all;
  previews = new Set(painted);
  parameters = api.components.schemas.Look.properties;
  panel.learn(parameters);
  drives.learn(parameters);
  midi.learn(parameters);
  listed = null;
  document.querySelector("[data-goto=photo]").hidden = !api.paths["/api/v1/paint"];
}

const reconnect = follow({
  presets(list) {
    presets.show(list);
    midi.presets(list);
  },
  midi: (state) => midi.show(state),
  cameras: () => sources.refresh(),
  styles: () => learn().then(show, (problem) => notice(problem.message)),
  config({ file, error, restart }) {
    the("save").hidden = !file;
    const text = error ? `The changed config was not taken: ${error}` : restart ? `The config was taken, but ${restart}.` : "";
    the("config").textContent = text;
    the("config").hidden = !text;
  },
  async link(status) {
    document.body.dataset.link = status;
    if (status === "locked" && !the("token-dialog").open) the("token-dialog").showModal();
    if (status === "live") {
      watch.again();
      await learn().catch((problem) => notice(problem.message));
      photo.again();
      recordings.refresh();
      sources.refresh();
    }
    openPictures();
    showLink();
    show();
  },
  streams(all) {
    streams = all;
    const names = [...all.keys()];
    const select = the("stream");
    select.parentElement.hidden = names.length < 2;
    const labels = [...all.values()].map(({ name, status }) => [name, status === "running" ? name : `${name} (${status})`]);
    showList(select, labels, ([value, label]) => element("option", { value }, label));
    if (!all.has(stream?.name)) {
      stream = null;
      if (names.length) choose(names[0]);
    }
    stream = all.get(stream?.name) ?? null;
    if (!stream) return showLink();
    setValue(select, stream.name);
    charts.note(stream);
    openPictures();
    show();
  },
});

// Whoever closes it without the token is asked again.
the("token-dialog").onclose = reconnect;
the("token-form").onsubmit = async (event) => {
  event.preventDefault();
  try {
    await ask("POST", "session", undefined, { Authorization: `Bearer ${the("token").value}` });
    the("token-dialog").close();
    the("token").value = "";
  } catch (problem) {
    notice(problem.status === 401 ? "That is not the token." : problem.message);
  }
};

document.addEventListener("visibilitychange", () => {
  watch.again();
  openPictures();
});
setComparing(comparing);
showLink();

/** The named parts of an object. */
function pick(object, ...parts) {
  return Object.fromEntries(parts.map((part) => [part, object[part]]));
}
