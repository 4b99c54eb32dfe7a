// The page: what is given, where to look, and what is found.

import { record } from "./recording.js";
import { KINDS, languageName, make, section, written } from "./results.js";
import { ask, escaped, Fault, mediaPath, useKey } from "./server.js";

const MOST_SECONDS = 60; // of a recording
const TONGUES = "ar bn de en es fa fr hi id it ja ko mr nl pl pt ru sv sw ta te th tr uk ur vi zh";
const WAYS = ["transcribe", "translate_speech"]; // of writing what is said

let libraries = [];
let models = [];
let given = null; // {text}, {image} or {speech}
let recording = null; // while the microphone is on
let current = new AbortController(); // ends the search in progress

const at = (id) => document.getElementById(id);
const tell = (sentence) => { at("status").textContent = sentence; };

/** Do something; what goes wrong is said, and may be tried again. */
async function attempt(work) {
  at("problem").hidden = at("unlock").hidden = true;
  try {
    await work();
  } catch (error) {
    if (error.name === "AbortError") return;
    tell("");
    at("reason").textContent = error instanceof Fault ? error.message : `A bug here: ${error}.`;
    at("again").onclick = () => attempt(work);
    at("again").hidden = error.status >= 400 && error.status < 429; // it would go wrong again
    at("unlock").hidden = error.status !== 401;
    at("problem").hidden = false;
    if (error.status === 401) at("key").focus();
  }
}

/** Ask what the server has. */
async function start() {
  const read = async (path) => (await (await ask(path, { tell })).json()).data;
  [libraries, models] = await Promise.all([read("libraries"), read("v1/models")]);
  tell("");
  const alike = new Set(libraries.map(({ model }) => model)).size === 1;
  const names = libraries.map(({ id }) => [id, id]);
  fill("library", alike && names.length > 1 ? [["", "All"], ...names] : names);
  at("of-library").hidden = libraries.length < 2;
  at("bar").hidden = at("where").hidden = !libraries.length;
  for (const way of WAYS) at(way).hidden = !writer(way);
  await setLibrary();
  at("ask").hidden = at("about").hidden = false;
}

/** Show what the chosen library holds, and what its model knows. */
async function setLibrary() {
  const chosen = libraries.filter(({ id }) => [id, ""].includes(at("library").value));
  const holds = chosen.flatMap((library) => library.holds);
  const kinds = Object.keys(KINDS).filter((kind) => holds.some((fact) => fact.kind === kind));
  at("kinds").replaceChildren(...kinds.map((kind) => make("label", { className: "chip" },
    make("input", { type: "checkbox", name: "kind", value: kind, checked: true }), KINDS[kind])));
  const known = holds.map(({ language }) => language).filter(Boolean);
  const told = models.flatMap(({ languages }) => languages).join(" ") || TONGUES;
  const tongues = named([...known, ...told.split(" ")]);
  fill("language", [["", "any"], ...named(known)]);
  fill("spoken", [["", "not said"], ...tongues]);
  fill("to", tongues, "en");
  const model = chosen[0]?.model ?? models[0].id;
  const { card } = await (await ask(`v1/models/${escaped(model)}`, { tell })).json();
  at("card").textContent = card.replace(/^---\n.*?\n---\n/s, "").trim();
  at("knows").replaceChildren(make("strong", {}, `${model}.`), " ", knowledge(at("card").textContent));
}

/** What a card says before its sections: the paragraph that begins in bold, else the first. */
function knowledge(card) {
  const parts = card.split(/^## /m)[0].split("\n\n").filter((part) => !/^(#|$)/.test(part));
  const said = parts.find((part) => part.startsWith("**")) ?? parts[0];
  return said?.replace(/\*\*|`/g, "") ?? "There is no card that says what it knows.";
}

const named = (codes) => [...new Set(codes)].map((code) => [code, languageName(code)])
  .sort((one, other) => one[1].localeCompare(other[1]));

/** The model that transcribes, or translates. */
const writer = (way) => models.find(({ can }) => can.includes(way))?.id;

function fill(id, options, chosen = at(id).value) {
  at(id).replaceChildren(...options.map(([value, name]) =>
    make("option", { value, selected: value === chosen }, name)));
}

/** Find what is like a text, a sound or a picture. */
function find(thing) {
  if (thing !== given) showGiven(thing);
  given = thing;
  current.abort();
  current = new AbortController();
  const nowhere = at("write").hidden ? "No library is served to look in." : "";
  return attempt(() => libraries.length ? search(current.signal) : tell(nowhere));
}

/** Look for what is given in each kind: cosines of one kind do not compare with another's. */
async function search(signal) {
  const kinds = [...document.querySelectorAll("[name=kind]:checked")].map(({ value }) => value);
  if (!kinds.length) throw new Fault("No kind is chosen; choose pictures, speech or texts.", 422);
  tell("Searching.");
  at("results").inert = true; // until there are new ones
  const found = await Promise.all(kinds.map((of) => searchKind(of, signal)));
  const there = kinds.map((kind, place) => [kind, found[place]]).filter(([, hits]) => hits[0]);
  at("results").replaceChildren(...there.map(([kind, hits]) => section(kind, hits, findLike)));
  at("results").inert = false;
  const counts = there.map(([kind, { length }]) =>
    `${length} ${length === 1 ? kind : KINDS[kind].toLowerCase()}`);
  tell(there.length ? `Found: ${counts.join(", ")}.` : "There is nothing of that language.");
}

async function searchKind(of, signal) {
  const language = of === "picture" ? "" : at("language").value.replaceAll("'", "''");
  const form = filled({ ...given, of, k: at("count").value, library: at("library").value,
    language: at("spoken").value, where: language && `language = '${language}'` });
  return (await (await ask("search", { form, signal, tell })).json()).data;
}

/** Find what is like an item. */
function findLike(hit) {
  at("status").focus();
  if (hit.kind === "text") return find({ text: hit.text });
  return attempt(async () => findFile(await (await ask(mediaPath(hit))).blob()));
}

function findFile(file) {
  const kind = file?.type.startsWith("image/") ? "image" : "speech";
  if (file && !at("ask").hidden) return find({ [kind]: file });
}

function filled(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) form.append(name, value);
  return form;
}

function showGiven({ speech, image, text }) {
  at("text").value = text ?? "";
  at("given").hidden = Boolean(text);
  at("write").hidden = !speech || !WAYS.some(writer);
  at("written").replaceChildren();
  if (text) return;
  const src = URL.createObjectURL(speech ?? image);
  at("shown").replaceChildren(speech
    ? make("audio", { src, controls: true, ariaLabel: "The sound you gave" })
    : make("img", { src, alt: "The picture you gave" }));
}

async function write(way) {
  const to = way === "translate_speech" && at("to").value;
  const [file, language] = [given.speech, at("spoken").value];
  tell("Writing.");
  const form = filled({ file, model: writer(way), language, to });
  const path = `v1/audio/${to ? "translations" : "transcriptions"}`;
  const { text } = await (await ask(path, { form, tell })).json();
  if (given.speech !== file) return; // another was given meanwhile
  tell("");
  const label = make("p", { className: "tag" }, to ? `In ${languageName(to)}` : "What is said");
  at("written").append(label, written(text || "Nothing was heard.", text ? to || language : "en"));
}

/** Begin to record, or end it and search. */
async function listen() {
  if (recording) return finish(true);
  recording = {}; // the browser may ask first
  return attempt(async () => {
    recording = await record(hear).catch((fault) => {
      recording = null;
      throw fault;
    });
    listening(true);
    tell("Listening. Press the button again to search; Escape ends it without a search.");
  });
}

function hear(loudness, seconds) {
  at("speak").style.setProperty("--level", loudness.toFixed(2));
  at("clock").textContent = `${Math.floor(seconds)} s`;
  if (seconds >= MOST_SECONDS) finish(true);
}

/** End the recording, and search with it if that is wanted. */
async function finish(wanted) {
  if (!recording?.stop) return;
  const ended = recording.stop();
  recording = null;
  listening(false);
  const speech = await ended;
  if (!wanted) return tell("The recording is thrown away.");
  return find({ speech, trim: true }); // nobody begins to speak at once
}

function listening(on) {
  at("speak").classList.toggle("on", on);
  at("speak").style.setProperty("--level", 0);
  at("speak-word").textContent = on ? "Stop and search" : "Speak";
  at("clock").textContent = "";
}

const DO = { // what people do, and what it does
  "unlock submit": () => attempt(() => useKey(at("key").value) ?? start()),
  "ask submit": () => {
    const text = at("text").value.trim();
    if (text) return find({ text });
    at("text").focus();
    return tell("Type what to find, speak, or choose a file.");
  },
  "write submit": ({ submitter }) => attempt(() => write(submitter.value)),
  "where change": async ({ target }) => {
    if (target.id === "library") await attempt(setLibrary);
    if (given) find(given);
  },
  "speak click": listen,
  "choose click": () => at("file").click(),
  "file change": ({ target }) => {
    findFile(target.files[0]);
    target.value = ""; // so that the same may be chosen again
  },
  "page keydown": ({ key }) => key === "Escape" && finish(false),
  "page dragover": () => at("page").classList.add("over"),
  "page dragleave": ({ relatedTarget }) => relatedTarget || at("page").classList.remove("over"),
  "page drop": ({ dataTransfer }) => {
    at("page").classList.remove("over");
    findFile(dataTransfer.files[0]);
  },
};
for (const [what, work] of Object.entries(DO)) {
  const [id, type] = what.split(" ");
  at(id).addEventListener(type, (event) => {
    if (["submit", "dragover", "drop"].includes(type)) event.preventDefault();
    work(event);
  });
}
attempt(start);
