// Makes the pages lively; every page is whole without it.
"use strict";

// The unmodified client prints links with a fragment, which no server ever sees.
function follow_fragment() {
  const patterns = [
    [/^#\/experiments\/\d+\/runs\/([0-9a-f]{32})/, (found) => "/tracking/" + found[1]],
    [/^#\/experiments\/\d+\/models\/(m-[0-9a-f]+)/, (found) => "/tracking/" + found[1]],
    [/^#\/experiments\/\d+\/traces\?.*\b(tr-[0-9a-f]+)/, (found) => home() + "/traces/" + found[1]],
    [/^#\/experiments\/(\d+)\/traces/, (found) => home() + "/experiments/" + found[1] + "/traces"],
    [/^#\/experiments\/(\d+)/, (found) => home() + "/experiments/" + found[1]],
    [/^#\/models\/([^/?]+)\/versions\/(\d+)/, (found) => home() + "/models/" + found[1] + "/versions/" + found[2]],
    [/^#\/models\/([^/?]+)/, (found) => home() + "/models/" + found[1]],
  ];
  for (const [pattern, path] of patterns) {
    const found = pattern.exec(location.hash);
    if (found) {
      location.replace(path(found));
      return true;
    }
  }
  return false;
}

function home() {
  const brand = document.querySelector("nav.parts a");
  return brand ? brand.getAttribute("href") : "/";
}

// Asks for this page again and exchanges the parts that differ; what is open, scrolled or focused stays so.
let asking = false;
let again = false;

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The stream notices when the server is gone, and says so.
  } finally {
    asking = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const key = CSS.escape(part.dataset.live);
    const other = fresh.querySelector('[data-live="' + key + '"]');
    if (!other || part.isEqualNode(other)) continue;
    const open = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
    const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const marked = new Set([...part.querySelectorAll("input:checked[value]")].map((one) => one.value));
    const focused = part.contains(document.activeElement) ? name_of(document.activeElement) : null;
    part.replaceWith(document.adoptNode(other));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const one of other.querySelectorAll("input[type=checkbox][value]")) one.checked = marked.has(one.value);
    other.querySelectorAll(".scroll").forEach((one, place) => {
      if (scrolled[place] !== undefined) one.scrollLeft = scrolled[place];
    });
    if (focused) other.querySelector(focused)?.focus({ preventScroll: true });
  }
  show_newest();
}

// A selector that finds the same place in a fresh part.
function name_of(one) {
  if (one.getAttribute("href")) return '[href="' + CSS.escape(one.getAttribute("href")) + '"]';
  if (one.type === "checkbox") return 'input[value="' + CSS.escape(one.value) + '"]';
  const around = one.closest("details[id]");
  return around && one.tagName === "SUMMARY" ? "#" + CSS.escape(around.id) + " > summary" : null;
}

// The newest end of a wide drawing is what people come for.
const moved = new Set();

function show_newest() {
  for (const one of document.querySelectorAll(".scroll[data-newest]")) {
    if (!moved.has(one.dataset.newest)) {
      moved.add(one.dataset.newest);
      one.scrollLeft = one.scrollWidth;
    }
  }
}

// One stream a visible page: browsers allow few connections to one host.
let stream = null;

function say(text, state) {
  const place = document.getElementById("live");
  if (!place || place.textContent === text) return;
  place.textContent = text;
  place.dataset.state = state;
}

function listen() {
  if (stream || document.hidden || !document.querySelector("[data-live]") || !document.getElementById("live")) return;
  stream = new EventSource("/changes");
  let was_away = false;
  stream.onopen = () => {
    say("live", "on");
    // A client may have written between the page and its stream.
    if (was_away || document.querySelector("[data-tracking]")) refresh();
    was_away = false;
  };
  stream.onerror = () => {
    was_away = true;
    say("not connected", "off");
    if (stream && stream.readyState === EventSource.CLOSED) {
      stream = null;
      setTimeout(listen, 5000);
    }
  };
  stream.addEventListener("change", refresh);
  stream.addEventListener("tracking", () => {
    if (document.querySelector("[data-tracking]")) refresh();
  });
}

function hush() {
  stream?.close();
  stream = null;
}

// A step's log, from where the page's own text ends.
function follow_log() {
  const log = document.querySelector("pre[data-log]");
  if (!log) return;
  log.scrollTop = log.scrollHeight;
  if (!log.dataset.follow) return;
  const source = new EventSource(log.dataset.log);
  source.addEventListener("log", (event) => {
    const at_end = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
    log.append(JSON.parse(event.data));
    if (at_end) log.scrollTop = log.scrollHeight;
  });
  source.addEventListener("end", () => source.close());
}

// A node of the loop shows what it came from and what came of it.
function trace() {
  const marked = (drawing, id) => {
    drawing.classList.toggle("traced", id !== null);
    for (const edge of drawing.querySelectorAll("[data-from]")) {
      edge.classList.toggle("on", id !== null && (edge.dataset.from === id || edge.dataset.to === id));
    }
  };
  const node_of = (event) => (event.target instanceof Element ? event.target.closest("[data-node]") : null);
  for (const [begin, end] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    document.addEventListener(begin, (event) => {
      const node = node_of(event);
      if (node) marked(node.ownerSVGElement, node.dataset.node);
    });
    document.addEventListener(end, (event) => {
      const node = node_of(event);
      if (node) marked(node.ownerSVGElement, null);
    });
  }
}

if (!follow_fragment()) {
  show_newest();
  follow_log();
  trace();
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hush();
    else {
      refresh();
      listen();
    }
  });
  window.addEventListener("pagehide", hush);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) listen();
  });
  window.addEventListener("hashchange", follow_fragment);
}
