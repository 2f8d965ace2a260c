// Progressive enhancement, nothing more: every page works without this file. Seven small things; no library, because a library that
// swaps fragments would be several times these bytes for the first two and needs a looser content security policy for its conveniences.

const live = document.createElement("p"); // one polite announcer: replacing a whole region would read all of it again
live.className = "away";
live.setAttribute("role", "status");
document.body.append(live);

function put(element, html) {
  const before = element.querySelector("[data-say]")?.dataset.say;
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.innerHTML = html; // our own server's fragment; scripts in it would not run, and the policy forbids inline ones
  if (focused) document.getElementById(focused)?.focus();
  const now = element.querySelector("[data-say]")?.dataset.say;
  if (now && now !== before) live.textContent = now;
  tick();
  copies();
}

// (a) <div data-live="URL">: each server-sent message is the new content. A dropped stream reconnects by itself; a refused one is
// replaced by asking for the same URL as plain HTML every 3 s. With data-every="seconds" there is no stream, and it is asked for that often
// while somebody looks. A fragment with data-end says that nothing will change any more, and
// data-go that the page has moved on (a payment confirmed, say).
for (const element of document.querySelectorAll("[data-live]")) {
  const url = element.dataset.live;
  let poll = 0;
  let stream = null;
  const over = () => { // whether nothing will change here any more
    const go = element.querySelector("[data-go]")?.dataset.go;
    if (go?.startsWith("/")) location.replace(go);
    return Boolean(go || element.querySelector("[data-end]"));
  };
  const show = (html) => {
    put(element, html);
    if (over()) stop();
  };
  const stop = () => { stream?.close(); clearInterval(poll); };
  const ask = async () => {
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" } });
      if (answer.redirected || answer.status === 401 || answer.status === 404) stop();
      else if (answer.ok) show(await answer.text());
    } catch { /* offline for a moment: the next round asks again */ }
  };
  if (over()) continue;
  if (element.dataset.every) {
    poll = setInterval(() => { if (!document.hidden) ask(); }, element.dataset.every * 1000);
    continue;
  }
  const fall = () => { stream?.close(); if (!poll) { poll = setInterval(ask, 3000); ask(); } };
  if (!("EventSource" in window)) { fall(); continue; }
  stream = new EventSource(url);
  let failures = 0;
  stream.onopen = () => { failures = 0; };
  stream.onmessage = (message) => show(message.data);
  stream.onerror = () => { failures += 1; if (stream.readyState === EventSource.CLOSED || failures > 2) fall(); };
  addEventListener("pagehide", stop);
}

// (b) <input data-check="URL" data-check-into="id">: the form's values are sent as a query 300 ms after the last key, and the answer
// replaces the named element. A newer question aborts an older one, so answers never arrive out of order.
for (const input of document.querySelectorAll("[data-check]")) {
  let timer = 0;
  let running = null;
  const into = document.getElementById(input.dataset.checkInto);
  const ask = async () => {
    running?.abort();
    running = new AbortController();
    const mine = running;
    into.setAttribute("aria-busy", "true");
    const values = new FormData(input.form);
    values.delete("csrf"); // a secret has no place in a URL
    try {
      const answer = await fetch(`${input.dataset.check}?${new URLSearchParams(values)}`, { signal: running.signal, headers: { accept: "text/html" } });
      if (answer.ok) put(into, await answer.text());
    } catch { /* aborted, or offline: the submit checks again */ }
    if (mine === running) into.removeAttribute("aria-busy");
  };
  const later = (wait) => { clearTimeout(timer); running?.abort(); timer = setTimeout(ask, wait); };
  input.addEventListener(input.type === "radio" ? "change" : "input", () => later(input.type === "radio" ? 0 : 300));
}

// (c) <time data-since="ISO">: counts up, by the server's clock: the page's own age is added to what the server wrote, so a wrong clock
// on this machine does not show.
const skew = Date.now() - Date.parse(document.documentElement.dataset.now || new Date().toISOString());
function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - skew - Date.parse(element.dataset.since)) / 1000));
    if (Number.isNaN(seconds)) continue;
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const two = (n) => String(n).padStart(2, "0");
    element.textContent = h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  }
}
tick();
setInterval(tick, 1000);

// (d) <button data-copy="text" data-copied="Copied" hidden>: appears only where copying works.
function copies() {
  if (navigator.clipboard) for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}
copies();
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button || button.dataset.busy) return;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.dataset.busy = "1";
    button.textContent = live.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = label; delete button.dataset.busy; }, 2000);
  } catch { /* refused: the text beside the button can be selected */ }
});

// (e) Messages that can be put away: <button data-close hidden> takes what it stands in off the page.
for (const button of document.querySelectorAll("[data-close]")) {
  button.hidden = false;
  button.addEventListener("click", () => button.parentElement.remove());
}

// (f) Keys, where the page has the dialog that tells of them: "/" to the search, "?" opens it, and two letters lead where the link with
// data-keys leads. Nothing while somebody types, and nothing together with a key that browsers and screen readers use.
const keys = document.getElementById("keys");
if (keys) {
  let first = "";
  let timer = 0;
  // Whoever speaks to a machine presses letters by accident: the keys can be put off, for this browser.
  const OFF = "paddock-keys-off";
  for (const box of document.querySelectorAll("[data-keys-on]")) {
    box.parentElement.hidden = false;
    box.checked = !localStorage.getItem(OFF);
    box.addEventListener("change", () => { if (box.checked) localStorage.removeItem(OFF); else localStorage.setItem(OFF, "1"); });
  }
  document.addEventListener("keydown", (event) => {
    if (localStorage.getItem(OFF) || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    if (event.key === "/") {
      event.preventDefault();
      if (keys.open) keys.close();
      document.getElementById("find")?.focus();
    } else if (event.key === "?") {
      event.preventDefault();
      if (keys.open) keys.close(); else keys.showModal();
    } else if (event.key.length === 1) {
      const both = first + event.key.toLowerCase();
      clearTimeout(timer);
      first = event.key.toLowerCase();
      timer = setTimeout(() => { first = ""; }, 1500);
      const link = both.length === 2 && keys.querySelector(`[data-keys="${CSS.escape(both)}"]`);
      if (link) location.assign(link.href);
    }
  });
}

// (g) Passkeys: <form data-passkey="create|get" data-options="…"> has a hidden field "credential" for what the browser answers to the options.
// Where that does not work, the form is sent without, and the page says what to do.
for (const form of document.querySelectorAll("[data-passkey]")) {
  const way = form.dataset.passkey;
  const parse = way === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  if (!window.PublicKeyCredential?.[parse]) continue;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const failed = form.querySelector("[data-passkey-failed]");
    failed.hidden = true;
    try {
      const publicKey = PublicKeyCredential[parse](JSON.parse(form.dataset.options));
      const credential = await navigator.credentials[way]({ publicKey });
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch { failed.hidden = false; }
  });
}
