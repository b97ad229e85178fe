import { html } from "hono/html";

/** The page's shell: structure and labels. Everything that moves is put in by `app.js`; nothing here is inline. */
export function page(mode: "demo" | "live") {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content">
<meta name="color-scheme" content="light dark">
<title>Try it · Esek</title>
<link rel="icon" href="/try/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/try/style.css">
<script type="module" src="/try/app.js"></script>
</head>
<body data-mode="${mode}">
<a class="skip" href="#write">Skip to the message box</a>
<header class="top">
  <h1><span class="brand">Esek</span> <span class="what">Try it</span></h1>
  <label class="pick"><span>You are</span><select id="person"></select></label>
  <label class="pick" id="shop-pick" hidden><span>writing to</span><select id="shop"></select></label>
  <p class="time" id="time" aria-label="Business time"></p>
  <button type="button" class="icon" id="theme" aria-label="Theme: as the system"></button>
  <button type="button" class="icon only-narrow" id="open-side" aria-label="Record and controls" aria-expanded="false" aria-controls="side"></button>
</header>
<main id="main">
  <section class="chat" id="chat" aria-label="Chat">
    <header class="chat-head">
      <span class="avatar" id="avatar" aria-hidden="true"></span>
      <div class="who"><h2 id="shop-name"></h2><p id="presence" aria-live="polite"></p></div>
    </header>
    <ul class="standing" id="standing" aria-label="How the chat stands" lang="en" dir="ltr"></ul>
    <div class="log" id="log" role="log" aria-label="Messages" aria-relevant="additions" tabindex="0"></div>
    <div class="chips" id="chips" role="group" aria-label="Suggestions"></div>
    <form class="composer" id="composer">
      <button type="button" class="icon" id="attach" aria-haspopup="menu" aria-expanded="false"></button>
      <div class="menu" id="attach-menu" role="menu" hidden></div>
      <textarea id="write" rows="1" dir="auto" maxlength="4096" autocomplete="off"></textarea>
      <button type="submit" class="icon send" id="send"></button>
    </form>
  </section>
  <aside class="side" id="side" aria-label="Record and controls">
    <div class="tabs">
      <div role="tablist" aria-label="Record and controls">
        <button type="button" role="tab" id="tab-why" aria-controls="why" aria-selected="true">Why</button>
        <button type="button" role="tab" id="tab-controls" aria-controls="controls" aria-selected="false" tabindex="-1">Controls</button>
      </div>
      <button type="button" class="icon only-narrow" id="close-side" aria-label="Close"></button>
    </div>
    <div class="panel" id="why" role="tabpanel" aria-labelledby="tab-why" tabindex="0"></div>
    <div class="panel" id="controls" role="tabpanel" aria-labelledby="tab-controls" hidden>${controls()}</div>
  </aside>
  <div class="shade" id="shade" hidden></div>
</main>
<dialog class="sheet" id="sheet" aria-labelledby="sheet-title"></dialog>
<dialog class="key" id="key" aria-labelledby="key-title">
  <form id="key-form">
    <h2 id="key-title">Operator's key</h2>
    <p>This Esek is live. The page runs on a sandbox beside it: same shops, simulated WhatsApp, never a real number. It wants a key with the scope <code>operator</code>.</p>
    <p><code>npm run esek -- apikey create --merchant SLUG --name me --scope operator</code></p>
    <label>Key <input id="key-input" type="password" autocomplete="off" spellcheck="false" required></label>
    <p class="error" id="key-error" role="alert"></p>
    <button type="submit" class="primary">Open</button>
  </form>
</dialog>
<p class="toast" id="toast" role="status" hidden></p>
</body>
</html>`;
}

const CLOCK = [
  ["1", "+1 h"],
  ["23.9834", "+23 h 59 min"],
  ["24.02", "Past the window (+24 h)"],
  ["72", "+3 days"],
];

const MODELS = [
  ["works", "Works"],
  ["slow", "Slow, 5 s"],
  ["fails", "Fails (500)"],
  ["empty", "Says nothing"],
  ["garbage", "Garbage"],
  ["silent", "Never answers"],
];

const FAULTS = [
  ["off", "No error"],
  ["131047", "131047 · window closed"],
  ["131049", "131049 · too much marketing"],
  ["131056", "131056 · too fast for this person"],
  ["130429", "130429 · too fast for the number"],
  ["131000", "131000 · something went wrong"],
  ["190", "190 · token not valid"],
  ["stall", "No answer: the call times out"],
  ["accept-drop", "Taken, but the answer is lost"],
];

const options = (pairs: string[][]) => pairs.map(([value, label]) => html`<option value="${value}">${label}</option>`);

function controls() {
  return html`
<fieldset><legend>Clock</legend>
  <p class="big" id="clock-big"></p>
  <div class="row">${CLOCK.map(([hours, label]) => html`<button type="button" data-hours="${hours}">${label}</button>`)}</div>
  <p class="hint">Business time only: windows, quiet hours, caps. It moves forward, for everybody.</p>
</fieldset>
<fieldset><legend>Customer</legend>
  <div class="row">
    <label class="field">Language <select id="language"></select></label>
    <button type="button" id="new-customer">New customer</button>
    <button type="button" id="burst">Burst of three</button>
  </div>
  <div class="row">
    <button type="button" data-preference="stop">Stop offers at Meta</button>
    <button type="button" data-preference="resume">Resume at Meta</button>
  </div>
  <p class="hint">A burst gets one answer. The stop at Meta is the one in WhatsApp's own settings.</p>
</fieldset>
<fieldset><legend>Model</legend>
  <div class="segments" id="model" role="radiogroup" aria-label="The model">${MODELS.map(
    ([value, label]) => html`<label><input type="radio" name="model" value="${value}"><span>${label}</span></label>`,
  )}</div>
  <p class="hint" id="model-hint"></p>
</fieldset>
<fieldset><legend>Meta, at the next send to this customer</legend>
  <label class="field wide"><span class="hidden">Error</span><select id="fault">${options(FAULTS)}</select></label>
  <p class="hint">Choosing “No error” also mends what a broken token left behind.</p>
</fieldset>
<fieldset><legend>A person of the shop</legend>
  <label class="field wide">Reply from the shop's phone <textarea id="staff" rows="2" dir="auto" maxlength="4096"></textarea></label>
  <div class="row">
    <button type="button" id="take-over">Reply and take over</button>
    <button type="button" id="hand-back"></button>
  </div>
</fieldset>
<fieldset><legend>The shop writes first</legend>
  <div class="row">
    <label class="field">Template <select id="template"></select></label>
    <button type="button" id="send-template">Send</button>
    <button type="button" id="opt-in">Record an opt-in</button>
  </div>
  <p class="hint">The way of <code>POST /api/v1/messages</code>, gate and all: without an opt-in, or at night, it does not leave.</p>
</fieldset>`;
}
