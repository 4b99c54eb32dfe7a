// Requests of this page's server; what goes wrong is one plain sentence.

const TRIES = 4; // of a request while the server is busy
const KEY = "trivium-key";
const SENTENCES = {
  401: "The server wants its API key.",
  415: "That file is no picture or sound that the server can read.",
  429: "The server is still busy; try again in a minute.",
};

/** Something that went wrong, as the page says it. */
export class Fault extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

/** Keep the key until the tab is closed. */
export const useKey = (key) => sessionStorage.setItem(KEY, key);

/** The answer to a request; it is sent again while the server is busy or loads, as `tell` hears. */
export async function ask(path, { form, signal, tell = () => {} } = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const request = { method: form ? "POST" : "GET", body: form, headers, signal };
  for (let count = 1; ; count++) {
    const answer = await fetch(path, request).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Fault("The server does not answer; see whether it still runs, then try again.");
    });
    if (answer.ok) return answer;
    const unknown = { error: { message: `the server answered with ${answer.status}` } };
    const { code, message } = (await answer.json().catch(() => unknown)).error;
    if (code !== "loading" && (answer.status !== 429 || count === TRIES)) {
      throw new Fault(sentence(answer.status, code, message), answer.status);
    }
    tell(code === "loading"
      ? "The server is loading its models; this page goes on when they are there."
      : "The server is busy; your request is sent again in a moment.");
    const seconds = Number(answer.headers.get("Retry-After") ?? 1);
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

/** Let an element show or play what lies at a path; a browser alone would send no key. */
export async function show(element, path) {
  if (!sessionStorage.getItem(KEY)) element.src = path;
  else element.src = URL.createObjectURL(await (await ask(path)).blob());
}

/** The path of an item's sound or picture. */
export const mediaPath = ({ id, library }) =>
  `items/${escaped(id)}/media?library=${encodeURIComponent(library)}`;

/** A name as part of a path; its slashes stay. */
export const escaped = (name) => name.split("/").map(encodeURIComponent).join("/");

function sentence(status, code, message) {
  if (code === "failed") return "The server could not load its models; its log says why.";
  const whole = status === 413 ? `that is too large: ${message}` : message;
  return SENTENCES[status] ?? `${whole[0].toUpperCase()}${whole.slice(1).replace(/\.$/, "")}.`;
}
