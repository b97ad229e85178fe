// "Try it": the chat and the record beside it. One module, no framework; text reaches the page as text nodes only.

/** @typedef {{id: string, title: string, kind?: "reply" | "link", description?: string}} Choice */
/** @typedef {{key: string, from: string, at: number, type: string, header?: string, text: string, footer?: string, buttons: Choice[], list?: {button: string, sections: {title: string, rows: Choice[]}[]}, image?: string, place?: {name: string, latitude: number, longitude: number}, status?: string, errorCode?: number, isPending?: boolean}} Bubble */
/** @typedef {{id: string, state: string, word: string, sentence: string, author: string, text: string, at: number, dueInMinutes: number | null}} Row */
/** @typedef {{title: string, tone: string, word?: string, sentence?: string, lines: {label: string, value: string, tone?: string}[], sinceMs?: number}} Step */

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const isLive = document.body.dataset.mode === "live";
const narrow = matchMedia("(width < 56rem)");
const HOUR_MS = 3_600_000;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const state = {
  /** @type {any} */ world: null,
  person: "",
  shop: "",
  language: "",
  /** @type {Map<string, Bubble>} */ bubbles: new Map(),
  /** @type {Row[]} */ rows: [],
  /** @type {Record<string, {reason: string, author: string}>} */ marks: {},
  /** @type {{key: string, at: number, text: string}[]} */ notes: [],
  /** @type {any} */ pulse: {},
  selected: "",
  clock: { now: Date.now(), readAt: performance.now(), offsetMs: 0 },
  /** @type {AbortController | undefined} */ listening: undefined,
  typingTimer: 0,
  whyTimer: 0,
  isAsleep: false,
  isTyping: false,
};

// Elements and icons -----------------------------------------------------------------------------------------------

/**
 * A new element: attributes by name, `on...` as listeners, children as nodes or text.
 * @param {string} name
 * @param {Record<string, any>} attributes
 * @param {any[]} children
 * @returns {any}
 */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== ""));
  return node;
}

const ICONS = {
  send: "M4 12 20 4l-4 16-4.5-6.5Z M11.5 13.5 20 4",
  attach: "M12 5v14 M5 12h14",
  close: "M6 6l12 12 M18 6 6 18",
  theme: "M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9Z",
  panel: "M5 4h14v16H5Z M13 4v16",
  list: "M9 6h11 M9 12h11 M9 18h11 M4.5 6h.01 M4.5 12h.01 M4.5 18h.01",
  link: "M14 4h6v6 M20 4l-9 9 M18 14v6H4V6h6",
  pin: "M12 21s-6.5-6-6.5-11a6.5 6.5 0 0 1 13 0c0 5-6.5 11-6.5 11Z M12 8.2v3.6",
  chat: "M4 5h16v11H9l-5 4Z M8 9h8 M8 12h5",
};
const TICKS = {
  pending: "M8 2.5a5 5 0 1 0 .01 0 M8 5v2.7l1.9 1.2",
  sent: "M4 6.5 7 9.5 13 2.5",
  delivered: "M1 6.5 4 9.5 10 2.5 M7.2 8.6l.9.9L14 2.5",
  read: "M1 6.5 4 9.5 10 2.5 M7.2 8.6l.9.9L14 2.5",
  failed: "M8 1.5a5 5 0 1 0 .01 0 M8 3.8v3 M8 8.9v.05",
};

function drawing(/** @type {string} */ path, /** @type {string} */ box, /** @type {number} */ width) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({
    viewBox: box,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": width,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
  }))
    svg.setAttribute(name, String(value));
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}
const icon = (/** @type {keyof typeof ICONS} */ name) => drawing(ICONS[name], "0 0 24 24", 1.8);

// Talking to the server --------------------------------------------------------------------------------------------

const KEY = "esek-try-key";

/** @returns {Record<string, string>} */
function headers() {
  const key = isLive ? sessionStorage.getItem(KEY) : null;
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** A request to our own routes; an answer that is no success becomes an Error with the server's own sentence. */
async function ask(
  /** @type {string} */ path,
  /** @type {any} */ body = undefined,
  /** @type {RequestInit} */ init = {},
) {
  const post = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`/try/${path}`, {
    ...init,
    ...post,
    headers: { ...headers(), ...(body === undefined ? {} : { "content-type": "application/json" }) },
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (isLive && (response.status === 401 || response.status === 403)) askForKey(problem.detail);
  throw new Error(problem.detail ?? `The server answered ${response.status}.`);
}

const here = () => ({ person: state.person, shop: state.shop || undefined });
const query = () => new URLSearchParams({ person: state.person, ...(state.shop ? { shop: state.shop } : {}) });

/** What went wrong, for the person in front of the page. */
const saidOf = (/** @type {unknown} */ err) =>
  err instanceof TypeError
    ? "The server does not answer. Is Esek still running?"
    : String(/** @type {Error} */ (err).message);

/**
 * Does something that may fail in front of somebody: the failure is said, never swallowed.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T | undefined>}
 */
async function attempt(work) {
  try {
    const result = await work();
    if (state.isAsleep) void listen();
    return result;
  } catch (err) {
    toast(saidOf(err), "no");
    return undefined;
  }
}

const control = (/** @type {Record<string, any>} */ what) =>
  attempt(async () => (await ask("control", { ...here(), ...what })).json());

/** Server-sent events over fetch, so that a key travels in a header and never in an address. */
async function listen() {
  state.listening?.abort();
  const own = new AbortController();
  state.listening = own;
  state.isAsleep = false;
  while (!own.signal.aborted && !state.isAsleep) {
    try {
      const response = await ask(`events?${query()}`, undefined, { signal: own.signal });
      for await (const [event, data] of events(/** @type {ReadableStream} */ (response.body))) {
        if (own.signal.aborted) return;
        receive(event, data);
      }
    } catch {
      if (own.signal.aborted || $("key").open) return;
    }
    if (!state.isAsleep) {
      presence("connecting…");
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
}

async function* events(/** @type {ReadableStream} */ stream) {
  let text = "";
  for await (const chunk of readAll(stream)) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = /^event: ?(.*)$/m.exec(block)?.[1];
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (event && data) yield/** @type {[string, any]} */ ([event, JSON.parse(data)]);
    }
  }
}

async function* readAll(/** @type {ReadableStream} */ stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

function receive(/** @type {string} */ event, /** @type {any} */ data) {
  switch (event) {
    case "thread":
      state.bubbles = new Map([...pending(), ...data.map((/** @type {Bubble} */ bubble) => [bubble.key, bubble])]);
      presence();
      return draw({ toEnd: true });
    case "message":
      settlePending(data);
      state.bubbles.set(data.key, { ...state.bubbles.get(data.key), ...data });
      if (data.from !== "customer") presence();
      return draw();
    case "status": {
      const bubble = state.bubbles.get(data.key);
      if (bubble) Object.assign(bubble, { status: data.status, errorCode: data.errorCode });
      whySoon(data.key);
      return draw();
    }
    case "read":
      for (const bubble of state.bubbles.values())
        if (bubble.from === "customer" && !bubble.isPending) bubble.status = "read";
      return draw();
    case "typing":
      return presence("typing");
    case "pulse":
      return beat(data);
    case "asleep":
      state.isAsleep = true;
      presence("the sandbox is asleep; do something to wake it");
  }
}

function beat(/** @type {any} */ pulse) {
  const moved = pulse.clock.offsetMs - state.clock.offsetMs;
  if (moved > 1000 && state.pulse.clock)
    state.notes.push({
      key: `note-${pulse.clock.offsetMs}`,
      at: pulse.clock.now - 1,
      text: `The clock moved ${spoken(moved)} on`,
    });
  state.clock = { ...pulse.clock, readAt: performance.now() };
  state.pulse = pulse;
  // What stays behind is an answer too: nobody is typing any more.
  if (state.isTyping && pulse.rows.length > state.rows.length) presence();
  state.rows = pulse.rows;
  state.marks = pulse.marks;
  showControls();
  showTime();
  draw();
  whySoon(state.selected);
}

// What the customer does -------------------------------------------------------------------------------------------

let pendingCount = 0;
const pending = () => [...state.bubbles].filter(([, bubble]) => bubble.isPending);

/** Shown at once with a clock; the simulator's own copy takes its place. */
async function say(/** @type {any} */ message, /** @type {Partial<Bubble>} */ shown) {
  const key = `pending-${++pendingCount}`;
  state.bubbles.set(key, {
    key,
    from: "customer",
    at: now(),
    type: "text",
    text: "",
    buttons: [],
    isPending: true,
    ...shown,
  });
  draw({ toEnd: true });
  const answer = await attempt(() => ask("say", { ...here(), ...message }));
  const bubble = state.bubbles.get(key);
  if (!answer && bubble) Object.assign(bubble, { isPending: false, status: "failed" });
  draw();
}

function settlePending(/** @type {Bubble} */ real) {
  if (real.from !== "customer") return;
  const match = pending().find(
    ([, bubble]) => bubble.type === real.type && (bubble.text === real.text || real.type !== "text"),
  );
  if (match) state.bubbles.delete(match[0]);
}

function sendText(/** @type {string} */ text) {
  if (text.trim()) void say({ text: text.trim() }, { text: text.trim() });
}

async function sendPicture(/** @type {Blob} */ blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const data = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
  await say({ image: { data, type: "image/jpeg" } }, { type: "image" });
}

/** The picture that comes with the page: a fern in a pot, drawn here. */
function samplePicture() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 480, height: 360 });
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const sky = pen.createLinearGradient(0, 0, 0, 360);
  sky.addColorStop(0, "#dfeee4");
  sky.addColorStop(1, "#f6efe2");
  pen.fillStyle = sky;
  pen.fillRect(0, 0, 480, 360);
  pen.lineCap = "round";
  for (let leaf = -5; leaf <= 5; leaf++) {
    pen.strokeStyle = leaf % 2 ? "#2f7d4f" : "#459a64";
    pen.lineWidth = 13;
    pen.beginPath();
    pen.moveTo(240, 238);
    pen.quadraticCurveTo(240 + leaf * 22, 130 - Math.abs(leaf) * 3, 240 + leaf * 40, 96 + Math.abs(leaf) * 26);
    pen.stroke();
  }
  pen.fillStyle = "#b9633c";
  pen.beginPath();
  pen.moveTo(178, 232);
  pen.lineTo(302, 232);
  pen.lineTo(284, 326);
  pen.lineTo(196, 326);
  pen.fill();
  pen.fillStyle = "#a1532f";
  pen.fillRect(170, 222, 140, 22);
  canvas.toBlob((blob) => blob && void sendPicture(blob), "image/jpeg", 0.85);
}

/** Somebody's own picture, made small enough for WhatsApp before it leaves the browser. */
async function ownPicture(/** @type {File} */ file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, 1600 / Math.max(image.width, image.height));
  const canvas = Object.assign(document.createElement("canvas"), {
    width: image.width * scale,
    height: image.height * scale,
  });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && void sendPicture(blob), "image/jpeg", 0.85);
}

const tap = (/** @type {string} */ message, /** @type {Choice} */ choice) =>
  attempt(() => ask("tap", { ...here(), message, button: choice.id }));

// Drawing the chat -------------------------------------------------------------------------------------------------

const words = () =>
  state.world.words[state.language] ?? state.world.words[personOf()?.language] ?? state.world.words.en;
const personOf = () => state.world.people.find((/** @type {any} */ person) => person.key === state.person);
const shopOf = () =>
  state.world.shops.find((/** @type {any} */ shop) => shop.id === state.shop) ?? state.world.shops[0];
const languageOf = () => state.language || personOf()?.language || "en";
const now = () => state.clock.now + performance.now() - state.clock.readAt;

/** Puts every entry into the log in its order, keeping the elements that say the same as before. */
function draw({ toEnd = false } = {}) {
  const log = $("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const known = new Map([...log.children].map((node) => [node.dataset.key, node]));
  const wanted = entries().map(({ key, sign, make, update }) => {
    const old = known.get(key);
    const node = old?.dataset.sign === sign ? old : make();
    node.dataset.key = key;
    node.dataset.sign = sign;
    update?.(node);
    return node;
  });
  const keep = new Set(wanted);
  const focused = document.activeElement?.closest(".msg")?.getAttribute("data-key");
  for (const node of [...log.children]) if (!keep.has(node)) node.remove();
  wanted.forEach((node, index) => {
    if (log.children[index] !== node) log.insertBefore(node, log.children[index] ?? null);
  });
  if (focused && !document.activeElement?.closest(".msg"))
    log.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  if (toEnd || isAtEnd) log.scrollTop = log.scrollHeight;
}

function entries() {
  const things = [
    ...[...state.bubbles.values()].map((bubble) => ({ at: bubble.at, entry: bubbleEntry(bubble) })),
    ...state.rows.map((row) => ({ at: row.at, entry: rowEntry(row) })),
    ...state.notes.map((note) => ({ at: note.at, entry: lineEntry(note.key, "note", note.text) })),
  ].sort((a, b) => a.at - b.at);
  if (things.length === 0) return [{ key: "empty", sign: languageOf(), make: emptyState, update: undefined }];
  const all = [];
  let day = "";
  for (const { at, entry } of things) {
    const name = dayName(at);
    if (name !== day) all.push(lineEntry(`day-${name}`, "day", name));
    day = name;
    all.push(entry);
  }
  if (state.isTyping) all.push({ key: "typing", sign: "typing", make: typingNode, update: undefined });
  return all;
}

const lineEntry = (/** @type {string} */ key, /** @type {string} */ kind, /** @type {string} */ text) => ({
  key,
  sign: text,
  make: () => el("div", { class: kind }, text),
  update: undefined,
});

/** Three dots where the answer will be; the words for it are in the head of the chat. */
const typingNode = () =>
  el("div", { class: "msg dots", "aria-hidden": "true" }, el("div", { class: "bubble" }, el("i"), el("i"), el("i")));

function emptyState() {
  return el(
    "div",
    { class: "empty" },
    icon("chat"),
    el("strong", {}, words().invite),
    el(
      "p",
      { lang: "en", dir: "ltr" },
      "Every message goes through the signed webhook, the guards and the gate. Choose one to see why it was sent, or why not.",
    ),
  );
}

function dayName(/** @type {number} */ at) {
  const day = new Date(at).toDateString();
  if (day === new Date(now()).toDateString()) return words().today;
  if (day === new Date(now() - 24 * HOUR_MS).toDateString()) return words().yesterday;
  return new Intl.DateTimeFormat(languageOf(), { weekday: "long", day: "numeric", month: "long" }).format(at);
}

const time = (/** @type {number} */ at) =>
  new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);

function bubbleEntry(/** @type {Bubble} */ bubble) {
  const { status: _status, errorCode: _code, isPending: _pending, ...rest } = bubble;
  return {
    key: bubble.key,
    sign: JSON.stringify({ ...rest, statusAt: undefined }),
    make: () => bubbleNode(bubble),
    update: (/** @type {HTMLElement} */ node) => updateBubble(node, bubble),
  };
}

const WHO = { customer: "You", business: "The shop", staff: "A person of the shop" };

function bubbleNode(/** @type {Bubble} */ bubble) {
  const inside = el("div", { class: "bubble" });
  if (bubble.from === "staff") inside.append(el("div", { class: "by" }, "Shop's phone"));
  if (bubble.header) inside.append(el("div", { class: "head words", dir: "auto" }, bubble.header));
  if (bubble.image || bubble.type === "image") inside.append(photo(bubble.image));
  if (bubble.place)
    inside.append(
      el(
        "div",
        { class: "place" },
        icon("pin"),
        el("span", { dir: "auto" }, bubble.place.name || `${bubble.place.latitude}, ${bubble.place.longitude}`),
      ),
    );
  if (bubble.text) inside.append(el("div", { class: "words", dir: "auto" }, marked(bubble.text)));
  if (bubble.footer) inside.append(el("div", { class: "foot", dir: "auto" }, bubble.footer));
  inside.append(el("div", { class: "meta" }));
  const node = el(
    "div",
    {
      class: "msg is-new",
      role: "article",
      tabindex: "-1",
      "data-from": bubble.from,
      onclick: () => choose(bubble.key),
    },
    inside,
  );
  const taps = tapsOf(bubble);
  if (taps) node.append(taps);
  return node;
}

/** What changes about a message that stands: its ticks, its reason, whether it is chosen. */
function updateBubble(/** @type {HTMLElement} */ node, /** @type {Bubble} */ bubble) {
  const mark = state.marks[bubble.key];
  const status = tickOf(bubble);
  const meta = /** @type {HTMLElement} */ (node.querySelector(".meta"));
  const sign = JSON.stringify([mark, status, bubble.errorCode]);
  chosen(node, bubble.key);
  if (meta.dataset.sign === sign) return;
  meta.dataset.sign = sign;
  const tick = el("span", { class: "tick", "data-tick": status });
  tick.append(drawing(TICKS[/** @type {keyof typeof TICKS} */ (status)], "0 0 15 12", 1.5));
  meta.replaceChildren(
    ...(mark ? [el("span", { class: "reason", dir: "ltr", lang: "en" }, mark.reason)] : []),
    el("time", { datetime: new Date(bubble.at).toISOString() }, time(bubble.at)),
    ...(bubble.from === "staff" ? [] : [tick]),
  );
  node.querySelector(".failure")?.remove();
  if (status === "failed")
    meta.before(
      el(
        "div",
        { class: "failure", lang: "en", dir: "ltr" },
        bubble.errorCode ? `Not delivered: Meta's error ${bubble.errorCode}` : "Not sent",
      ),
    );
  const what = bubble.text || (bubble.place ? words().location : words().photo);
  node.setAttribute(
    "aria-label",
    `${WHO[/** @type {keyof typeof WHO} */ (bubble.from)]}, ${time(bubble.at)}${bubble.from === "staff" ? "" : `, ${status}`}: ${what}`,
  );
}

function tickOf(/** @type {Bubble} */ bubble) {
  if (bubble.isPending) return "pending";
  if (bubble.status === "failed" || bubble.status === "read" || bubble.status === "delivered") return bubble.status;
  // The customer's own message has reached the shop when the simulator has it.
  if (bubble.from === "customer") return "delivered";
  return bubble.status === "sent" ? "sent" : "pending";
}

/** A message that has not left: refused, held or waiting, with the word for it. */
function rowEntry(/** @type {Row} */ row) {
  const isOver = !["queued", "deferred", "held", "sending", "unknown"].includes(row.state);
  const due = row.dueInMinutes ? `weighed again in ${spoken(row.dueInMinutes * 60_000)}` : "";
  return {
    key: row.id,
    sign: JSON.stringify([row.state, row.word, row.text, due]),
    make: () =>
      el(
        "div",
        {
          class: "msg is-new",
          role: "article",
          tabindex: "-1",
          "data-from": "refused",
          "data-tone": isOver ? "no" : "wait",
          "aria-label": `Not sent, ${row.word}: ${row.text}`,
          onclick: () => choose(row.id),
        },
        el(
          "div",
          { class: "bubble" },
          el(
            "div",
            { class: "refusal", lang: "en", dir: "ltr" },
            el("strong", {}, STATES[/** @type {keyof typeof STATES} */ (row.state)] ?? row.state),
            el("span", { class: "word", "data-tone": isOver ? "no" : "wait" }, row.word),
            el("span", { class: "quiet" }, due),
          ),
          el("div", { class: "words", dir: "auto" }, row.text),
        ),
      ),
    update: (/** @type {HTMLElement} */ node) => chosen(node, row.id),
  };
}

const STATES = {
  blocked: "Not sent",
  deferred: "Waits",
  held: "Held",
  canceled: "Withdrawn",
  failed: "Failed",
  unknown: "Unknown",
  queued: "Queued",
  sending: "On its way",
};

function chosen(/** @type {HTMLElement} */ node, /** @type {string} */ key) {
  if (state.selected === key) node.setAttribute("aria-current", "true");
  else node.removeAttribute("aria-current");
}

function photo(/** @type {string | undefined} */ id) {
  const image = el("img", { class: "photo", alt: words().photo });
  if (id)
    void attempt(async () => {
      const blob = await (await ask(`media/${encodeURIComponent(id)}`)).blob();
      image.onload = () => URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(blob);
    });
  return image;
}

function tapsOf(/** @type {Bubble} */ bubble) {
  const button = (/** @type {Choice} */ choice) =>
    choice.kind === "link"
      ? el("span", { class: "link", dir: "auto" }, icon("link"), choice.title)
      : el("button", { type: "button", dir: "auto", onclick: stopping(() => tap(bubble.key, choice)) }, choice.title);
  const list = bubble.list;
  if (list)
    return el(
      "div",
      { class: "taps" },
      el(
        "button",
        { type: "button", dir: "auto", "aria-haspopup": "dialog", onclick: stopping(() => openList(bubble, list)) },
        icon("list"),
        list.button,
      ),
    );
  return bubble.buttons.length > 0 ? el("div", { class: "taps" }, bubble.buttons.map(button)) : undefined;
}

const stopping = (/** @type {() => any} */ work) => (/** @type {Event} */ event) => {
  event.stopPropagation();
  void work();
};

function openList(/** @type {Bubble} */ bubble, /** @type {NonNullable<Bubble["list"]>} */ list) {
  const sheet = $("sheet");
  const row = (/** @type {Choice} */ choice) =>
    el(
      "button",
      {
        type: "button",
        class: "pick-row",
        dir: "auto",
        onclick: () => {
          sheet.close();
          void tap(bubble.key, choice);
        },
      },
      el("span", {}, choice.title),
      choice.description ? el("small", {}, choice.description) : "",
    );
  sheet.dir = words().dir;
  sheet.replaceChildren(
    el(
      "header",
      {},
      el("h2", { id: "sheet-title", dir: "auto" }, list.button),
      el(
        "button",
        { type: "button", class: "icon", "aria-label": words().close, onclick: () => sheet.close() },
        icon("close"),
      ),
    ),
    ...list.sections.flatMap((section) => [
      section.title ? el("h3", { dir: "auto" }, section.title) : "",
      ...section.rows.map(row),
    ]),
  );
  sheet.showModal();
}

// WhatsApp's marks, as nodes ---------------------------------------------------------------------------------------

/** `*bold*`, `_italic_`, `~strike~`, code, lists, quotes and links; anything else stays as it was written. */
function marked(/** @type {string} */ text) {
  return text
    .split(/```([\s\S]+?)```/)
    .flatMap((part, index) =>
      index % 2 === 1 ? [el("pre", {}, el("code", {}, part.replace(/^\n|\n$/g, "")))] : blocks(part),
    );
}

const BLOCKS = [
  { pattern: /^[-*] (.*)$/, wrap: "ul", item: "li" },
  { pattern: /^\d+\. (.*)$/, wrap: "ol", item: "li" },
  { pattern: /^> (.*)$/, wrap: "blockquote", item: "div" },
];

function blocks(/** @type {string} */ text) {
  /** @type {any[]} */ const out = [];
  let wrap = "";
  for (const [index, line] of text.split("\n").entries()) {
    const block = BLOCKS.find(({ pattern }) => pattern.test(line));
    const before = out.at(-1);
    if (block) {
      const start = block.wrap === "ol" && wrap !== "ol" ? { start: Number.parseInt(line, 10) } : {};
      const parent = wrap === block.wrap ? before : el(block.wrap, start);
      if (parent !== before) out.push(parent);
      parent.append(el(block.item, {}, inline(block.pattern.exec(line)?.[1] ?? "")));
    } else {
      if (index > 0 && !wrap) out.push("\n");
      out.push(...inline(line));
    }
    wrap = block?.wrap ?? "";
  }
  return out;
}

const INLINE =
  /`([^`\n]+)`|(?<![\p{L}\p{N}*])\*(\S|\S[^*\n]*\S)\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(\S|\S[^_\n]*\S)_(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}~])~(\S|\S[^~\n]*\S)~(?![\p{L}\p{N}~])|(https?:\/\/[^\s<>“”„«»"]+[^\s<>“”„«»".,;:!?)\]}'])/u;

/** @returns {any[]} */
function inline(/** @type {string} */ text) {
  const found = INLINE.exec(text);
  if (!found) return text ? [text] : [];
  const [whole, code, bold, italic, strike, link] = found;
  const node = code
    ? el("code", {}, code)
    : bold
      ? el("strong", {}, inline(bold))
      : italic
        ? el("em", {}, inline(italic))
        : strike
          ? el("s", {}, inline(strike))
          : el("a", { href: link, target: "_blank", rel: "noopener noreferrer nofollow" }, link);
  return [text.slice(0, found.index), node, ...inline(text.slice(found.index + whole.length))].filter(
    (one) => one !== "",
  );
}

// The record -------------------------------------------------------------------------------------------------------

function choose(/** @type {string} */ key) {
  if (key.startsWith("pending")) return;
  state.selected = key;
  draw();
  showTab("why");
  if (narrow.matches) openSide();
  void showWhy();
}

/** The chosen message may have moved on; not more often than it can be read. */
function whySoon(/** @type {string} */ key) {
  if (!key || key !== state.selected) return;
  clearTimeout(state.whyTimer);
  state.whyTimer = setTimeout(() => void showWhy(), 250);
}

async function showWhy() {
  const panel = $("why");
  const key = state.selected;
  if (!key) {
    panel.replaceChildren(
      el(
        "p",
        { class: "quiet" },
        "Choose a message: click it, or move with the arrow keys and press Enter. Its record tells what was weighed, what was decided and why, and what came of it.",
      ),
    );
    return;
  }
  const answer = await attempt(async () =>
    (await ask(`why/${encodeURIComponent(key)}?${query()}&zone=${encodeURIComponent(ZONE)}`)).json(),
  );
  if (!answer || key !== state.selected) return;
  const text = state.bubbles.get(key)?.text ?? state.rows.find((row) => row.id === key)?.text;
  const isRawOpen = panel.querySelector("details")?.open ?? false;
  const steps = answer.steps.map(stepNode);
  panel.replaceChildren(
    el("h2", { class: "hidden" }, "Why"),
    text ? el("div", { class: "quoted" }, el("div", { dir: "auto", class: "words" }, marked(text))) : "",
    steps.length > 0
      ? el("ol", { class: "steps" }, steps)
      : el(
          "p",
          { class: "quiet" },
          "Esek has no record of this message (yet). It may still be on its way, or something else than Esek sent it.",
        ),
    answer.footing.length > 0 ? el("dl", { class: "facts footing" }, answer.footing.flatMap(factNodes)) : "",
    answer.raw
      ? el(
          "details",
          { open: isRawOpen },
          el("summary", {}, "The whole record, as it is stored"),
          el(
            "pre",
            { class: "raw", dir: "ltr", tabindex: "0", role: "region", "aria-label": "Record as JSON" },
            JSON.stringify(answer.raw, null, 2),
          ),
        )
      : "",
  );
}

function stepNode(/** @type {Step} */ step) {
  return el(
    "li",
    { "data-tone": step.tone },
    el(
      "div",
      { class: "step-head" },
      el("h3", {}, step.title),
      step.word ? el("span", { class: "word", "data-tone": step.tone }, step.word) : "",
      step.sinceMs === undefined
        ? ""
        : el("span", { class: "since" }, step.sinceMs === 0 ? "0 ms" : `+${sinceWords(step.sinceMs)}`),
    ),
    step.sentence ? el("p", { class: "sentence" }, step.sentence) : "",
    step.lines.length > 0 ? el("dl", { class: "facts" }, step.lines.flatMap(factNodes)) : "",
  );
}

const factNodes = (/** @type {Step["lines"][number]} */ { label, value, tone }) => [
  el("dt", {}, label),
  el("dd", { "data-tone": tone, dir: "auto" }, value),
];

function sinceWords(/** @type {number} */ ms) {
  if (ms < 10_000) return `${ms} ms`;
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : spoken(ms);
}

function spoken(/** @type {number} */ ms) {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.round(hours / 24)} days`;
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

// The controls and the frame ---------------------------------------------------------------------------------------

function showControls() {
  const { fault, model } = state.pulse;
  const person = personOf();
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#model input")))
    input.checked = input.value === model;
  $("fault").value = [...$("fault").options].some((option) => option.value === fault) ? fault : "off";
  $("model-hint").textContent = state.world.isModelScripted
    ? "The model is the simulator's own. When it fails, the shop's documents answer, or a fixed sentence does."
    : "A real endpoint answers; every other choice cuts it off before it is asked.";
  const isHeld = Boolean(state.pulse.humanUntil);
  $("hand-back").textContent = "Give the chat back";
  $("hand-back").disabled = !isHeld;
  const { windowUntil, standing } = state.pulse;
  const left = windowUntil ? windowUntil - now() : 0;
  const hasWritten = [...state.bubbles.values()].some((bubble) => bubble.from === "customer");
  const chip = (/** @type {string} */ text, /** @type {string} */ tone = "") =>
    el("li", tone ? { "data-tone": tone } : {}, text);
  $("standing").replaceChildren(
    windowUntil === undefined && !hasWritten
      ? chip(`${person?.name ?? "Nobody"} has not written yet`)
      : left > 0
        ? chip(`Window open, ${spoken(left)} left`, "ok")
        : chip("Window closed", "no"),
    isHeld ? chip("A person has the chat", "wait") : "",
    standing?.marketing.isSuppressed
      ? chip("Promotions stopped", "no")
      : standing?.marketing.hasOptIn
        ? chip("Promotions: opted in", "ok")
        : chip("Promotions: no opt-in"),
    standing?.utility.isSuppressed ? chip("Order messages stopped", "no") : "",
    fault && fault !== "off" ? chip(`Next send: error ${fault}`, "no") : "",
    model && model !== "works" ? chip(`Model ${model}`, "wait") : "",
  );
}

function showTime() {
  const at = now();
  const moved = state.clock.offsetMs;
  const stamp = new Intl.DateTimeFormat("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  }).format(at);
  $("time").replaceChildren(
    el("span", { class: "zone" }, "Business time "),
    el("b", {}, narrow.matches ? time(at) : stamp),
    moved > 1000 ? el("span", { class: "moved" }, `+${spoken(moved)}`) : "",
  );
  $("clock-big").textContent = stamp;
}

function presence(/** @type {string} */ what = "") {
  clearTimeout(state.typingTimer);
  const line = $("presence");
  state.isTyping = what === "typing";
  line.classList.toggle("is-typing", state.isTyping);
  line.textContent = state.isTyping ? words().typing : what || words().online;
  if (!state.isTyping) return;
  draw();
  // As in WhatsApp, the typing sign ends by itself.
  state.typingTimer = setTimeout(() => {
    presence();
    draw();
  }, 25_000);
}

/** Everything that depends on who writes to whom, and in which language. */
function showFrame() {
  const own = words();
  const shop = shopOf();
  const name = shop?.names[languageOf()] ?? shop?.name ?? "";
  Object.assign($("chat"), { dir: own.dir, lang: languageOf() });
  $("shop-name").textContent = name;
  $("avatar").textContent = [...name][0] ?? "";
  $("write").placeholder = own.write;
  $("write").setAttribute("aria-label", own.write);
  $("send").setAttribute("aria-label", own.send);
  $("attach").setAttribute("aria-label", own.attach);
  $("chips").replaceChildren(
    ...own.suggestions.map((/** @type {string} */ text) =>
      el("button", { type: "button", onclick: () => sendText(text) }, text),
    ),
  );
  $("attach-menu").replaceChildren(
    menuItem(own.samplePicture, samplePicture),
    menuItem(own.ownPicture, pickPicture),
    menuItem(
      own.location,
      () =>
        void say(
          { location: { name: "Haifa", latitude: 32.794, longitude: 34.9896 } },
          { type: "location", place: { name: "Haifa", latitude: 32.794, longitude: 34.9896 } },
        ),
    ),
  );
  $("language").value = languageOf();
  $("person").title = `${personOf()?.name}, ${personOf()?.number}`;
  presence();
}

function fillPickers() {
  const { people, shops, templates, words: all } = state.world;
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const option = (/** @type {string} */ value, /** @type {string} */ text) => el("option", { value }, text);
  $("person").replaceChildren(
    ...people.map((/** @type {any} */ one) => option(one.key, `${one.name} · ${one.country}`)),
  );
  $("person").value = state.person;
  $("shop").replaceChildren(...shops.map((/** @type {any} */ one) => option(one.id, `${one.name} ${one.number}`)));
  $("shop-pick").hidden = shops.length < 2;
  $("language").replaceChildren(...Object.keys(all).map((tag) => option(tag, names.of(tag) ?? tag)));
  $("template").replaceChildren(
    ...templates.map((/** @type {any} */ one) => option(one.name, `${one.name} (${one.category.toLowerCase()})`)),
  );
}

/** Another customer, another number, or the same after a restart: a fresh log and a fresh stream. */
async function enter(/** @type {string} */ person) {
  state.person = person;
  Object.assign(state, { bubbles: new Map(), rows: [], marks: {}, notes: [], selected: "", language: "" });
  $("person").value = person;
  showFrame();
  draw();
  void showWhy();
  void listen();
}

async function load() {
  const answer = await (await ask(`state?${state.shop ? new URLSearchParams({ shop: state.shop }) : ""}`)).json();
  if (answer.shops.length === 0)
    throw new Error("There is no shop yet. Apply one: npm run esek -- merchant apply FILE");
  state.world = answer;
  state.shop = shopOf()?.id ?? "";
  state.clock = { ...answer.clock, readAt: performance.now() };
  if (!personOf()) state.person = answer.people[0].key;
  fillPickers();
  showTime();
  return true;
}

/** Nothing can be shown: why, and a way to try again. */
function showTrouble(/** @type {string} */ text) {
  const again = el("button", { type: "button", class: "primary", onclick: () => void start() }, "Try again");
  $("log").replaceChildren(el("div", { class: "empty", role: "alert" }, icon("chat"), el("p", {}, text), again));
}

function showTab(/** @type {string} */ name) {
  for (const tab of ["why", "controls"]) {
    const isIt = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(isIt));
    $(`tab-${tab}`).tabIndex = isIt ? 0 : -1;
    $(tab).hidden = !isIt;
  }
}

/** @type {HTMLElement | null} */ let before = null;

function openSide() {
  before = /** @type {HTMLElement} */ (document.activeElement);
  $("side").classList.add("is-open");
  $("shade").hidden = false;
  $("chat").inert = true;
  $("side").inert = false;
  $("open-side").setAttribute("aria-expanded", "true");
  $("close-side").focus();
}

function closeSide() {
  $("side").classList.remove("is-open");
  $("shade").hidden = true;
  $("chat").inert = false;
  $("side").inert = narrow.matches;
  $("open-side").setAttribute("aria-expanded", "false");
  before?.focus();
}

function toast(/** @type {string} */ text, /** @type {string} */ tone = "") {
  const box = $("toast");
  box.textContent = text;
  box.dataset.tone = tone;
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(
    () => {
      box.hidden = true;
    },
    tone === "no" ? 7000 : 3000,
  );
}
toast.timer = 0;

function askForKey(/** @type {string} */ problem = "") {
  $("key-error").textContent = sessionStorage.getItem(KEY) ? problem : "";
  sessionStorage.removeItem(KEY);
  if (!$("key").open) $("key").showModal();
}

const THEMES = ["system", "light", "dark"];

function showTheme(/** @type {string} */ theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-label", `Theme: ${theme === "system" ? "as the system" : theme}`);
}

function menuItem(/** @type {string} */ text, /** @type {() => void} */ work) {
  return el(
    "button",
    {
      type: "button",
      role: "menuitem",
      onclick: () => {
        toggleMenu(false);
        $("write").focus();
        work();
      },
    },
    text,
  );
}

function toggleMenu(/** @type {boolean} */ isOpen) {
  $("attach-menu").hidden = !isOpen;
  $("attach").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("attach-menu").firstElementChild.focus();
}

function pickPicture() {
  const input = /** @type {HTMLInputElement} */ (
    el("input", { type: "file", accept: "image/jpeg,image/png,image/webp" })
  );
  input.onchange = () => input.files?.[0] && void attempt(() => ownPicture(/** @type {File} */ (input.files?.[0])));
  input.click();
}

// Keys -------------------------------------------------------------------------------------------------------------

/** From message to message with the arrows; Enter shows why. The log itself takes the focus first. */
function onLogKey(/** @type {KeyboardEvent} */ event) {
  const messages = /** @type {HTMLElement[]} */ ([...$("log").querySelectorAll(".msg:not(.dots)")]);
  const current = /** @type {HTMLElement | null} */ (document.activeElement?.closest(".msg") ?? null);
  const index = current ? messages.indexOf(current) : messages.length;
  const go = (/** @type {number} */ to) => {
    event.preventDefault();
    messages[Math.max(0, Math.min(messages.length - 1, to))]?.focus();
  };
  if (event.key === "ArrowUp") go(index - 1);
  else if (event.key === "ArrowDown") go(index + 1);
  else if (event.key === "Home") go(0);
  else if (event.key === "End") go(messages.length - 1);
  else if (event.key === "Enter" && document.activeElement === current && current) {
    event.preventDefault();
    choose(current.dataset.key ?? "");
  }
}

function onListKey(/** @type {string} */ selector) {
  return (/** @type {KeyboardEvent} */ event) => {
    const items = /** @type {HTMLElement[]} */ ([
      .../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll(selector),
    ]);
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next =
      items[(items.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step + items.length) % items.length];
    next?.focus();
    if (next?.role === "tab") next.click();
  };
}

function wire() {
  $("send").append(icon("send"));
  $("attach").append(icon("attach"));
  $("theme").append(icon("theme"));
  $("open-side").append(icon("panel"));
  $("close-side").append(icon("close"));
  $("composer").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    sendText($("write").value);
    $("write").value = "";
  });
  $("write").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("composer").requestSubmit();
    } else if (event.key === "ArrowUp" && $("write").value === "") onLogKey(event);
  });
  $("log").addEventListener("keydown", onLogKey);
  $("attach").addEventListener("click", () => toggleMenu($("attach-menu").hidden));
  $("attach-menu").addEventListener("keydown", onListKey("[role=menuitem]"));
  document.querySelector(".tabs")?.addEventListener("keydown", /** @type {any} */ (onListKey("[role=tab]")));
  for (const tab of ["why", "controls"]) $(`tab-${tab}`).addEventListener("click", () => showTab(tab));
  $("open-side").addEventListener("click", openSide);
  $("close-side").addEventListener("click", closeSide);
  $("shade").addEventListener("click", closeSide);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (!$("attach-menu").hidden) {
      toggleMenu(false);
      $("attach").focus();
    } else if ($("side").classList.contains("is-open")) closeSide();
  });
  document.addEventListener("click", (event) => {
    if (!(/** @type {Element} */ (event.target).closest("#attach, #attach-menu"))) toggleMenu(false);
  });
  narrow.addEventListener("change", closeSide);
  $("side").inert = narrow.matches;
  $("theme").addEventListener("click", () => {
    const next =
      THEMES[(THEMES.indexOf(localStorage.getItem("esek-try-theme") ?? "system") + 1) % THEMES.length] ?? "system";
    localStorage.setItem("esek-try-theme", next);
    showTheme(next);
  });
  $("sheet").addEventListener(
    "click",
    (/** @type {Event} */ event) => event.target === $("sheet") && $("sheet").close(),
  );
  $("key").addEventListener("cancel", (/** @type {Event} */ event) => event.preventDefault());
  $("key-form").addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, $("key-input").value.trim());
    $("key").close();
    await start();
  });
  wireControls();
}

function wireControls() {
  $("person").addEventListener("change", () => void enter($("person").value));
  $("shop").addEventListener("change", async () => {
    state.shop = $("shop").value;
    if (await attempt(load)) void enter(state.person);
  });
  $("language").addEventListener("change", () => {
    state.language = $("language").value;
    showFrame();
    draw();
  });
  for (const button of document.querySelectorAll("[data-hours]"))
    button.addEventListener(
      "click",
      () => void control({ do: "clock", hours: Number(/** @type {HTMLElement} */ (button).dataset.hours) }),
    );
  for (const button of document.querySelectorAll("[data-preference]"))
    button.addEventListener(
      "click",
      () => void control({ do: "preference", value: /** @type {HTMLElement} */ (button).dataset.preference }),
    );
  $("new-customer").addEventListener("click", async () => {
    const made = await control({ do: "new-customer", language: languageOf() });
    if (made && (await attempt(load))) void enter(made.person);
  });
  $("burst").addEventListener("click", () => void control({ do: "burst", language: languageOf() }));
  $("model").addEventListener(
    "change",
    (/** @type {any} */ event) => void control({ do: "model", mode: event.target.value }),
  );
  $("fault").addEventListener("change", () => void control({ do: "meta", fault: $("fault").value }));
  $("take-over").addEventListener("click", async () => {
    const text = $("staff").value.trim();
    if (!text) return $("staff").focus();
    if (await control({ do: "take-over", text })) $("staff").value = "";
  });
  $("hand-back").addEventListener("click", () => void control({ do: "hand-back" }));
  $("opt-in").addEventListener(
    "click",
    async () => (await control({ do: "opt-in" })) && toast("The opt-in is on the ledger."),
  );
  $("send-template").addEventListener("click", async () => {
    const result = await control({ do: "template", name: $("template").value });
    if (result?.state === "blocked") toast(`Not sent: ${result.reason}`, "no");
    else if (result?.state === "deferred") toast(`It waits: ${result.reason}`);
  });
}

async function start() {
  if (isLive && !sessionStorage.getItem(KEY)) return askForKey();
  if (isLive) toast("Waking the sandbox…");
  try {
    await load();
  } catch (err) {
    if (!$("key").open) showTrouble(saidOf(err));
    return;
  } finally {
    $("toast").hidden = true;
  }
  $("log").replaceChildren();
  await enter(state.person);
}

showTheme(localStorage.getItem("esek-try-theme") ?? "system");
wire();
void start();
setInterval(() => {
  if (!state.world) return;
  showTime();
  if (state.pulse.clock) showControls();
}, 15_000);
