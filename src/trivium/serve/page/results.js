// What was found, as cards: pictures, players and texts.

import { mediaPath, show } from "./server.js";

/** What is found, as its heading says. */
export const KINDS = { picture: "Pictures", speech: "Speech", text: "Texts" };
const NAMES = new Intl.DisplayNames("en", { type: "language" });

/** A language as people call it. */
export function languageName(code) {
  try {
    return NAMES.of(code);
  } catch {
    return code; // of a shape that is no code
  }
}

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A text in its own language and direction. */
export function written(text, lang = "") {
  return make("p", { className: "text", lang, dir: "auto" }, text);
}

/** The items found of one kind; `more` is called with an item whose like is wanted. */
export function section(kind, hits, more) {
  const cards = hits.map((hit, place) => card(hit, `${kind} ${place + 1}`, more));
  const list = make("ol", { className: `grid ${kind}` }, ...cards);
  return make("section", { ariaLabel: KINDS[kind] }, make("h2", {}, KINDS[kind]), list);
}

function card(hit, name, more) {
  const item = make("li", { className: "card", title: hit.id });
  const media = {
    picture: () => make("img", { alt: name, loading: "lazy" }),
    speech: () => make("audio", { controls: true, preload: "metadata", ariaLabel: name }),
  }[hit.kind]?.();
  if (media) {
    show(media, mediaPath(hit)).catch((fault) => media.replaceWith(fault.message));
    item.append(media);
  }
  if (hit.text) item.append(written(hit.text, hit.kind === "picture" ? "" : hit.language));
  const { cosine, language, seconds } = hit;
  const score = make("span", { className: "score", title: "cosine, at most 1" },
    make("span", { className: "unseen" }, "score "), cosine.toFixed(2));
  const tag = language ? [make("span", { className: "tag" }, languageName(language))] : [];
  const lasts = seconds ? [`${seconds.toFixed(1)} s`] : [];
  const button = make("button", { className: "like", ariaLabel: `Similar to ${name}` }, "Similar");
  button.addEventListener("click", () => more(hit));
  item.append(make("p", { className: "facts" }, score, ...tag, ...lasts, button));
  return item;
}
