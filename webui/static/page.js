// The page: asks the agent how things are, shows it, and passes on what the
// owner wants. What a row of each list looks like is in rows.js.

import * as api from "./api.js";
import { bar, byId, element, rows, say } from "./view.js";
import { foregroundRow, backgroundRow, candidateRow } from "./rows.js";
import { prepareCheckUp } from "./checkup.js";
import { preparePreferences } from "./preferences.js";
import { clock, count, duration, limit, percent, rate, rates, size, time } from "./words.js";

const refreshEvery = 2000; // milliseconds
const mostRows = 200; // of each list; the command shows all
const mostEvents = 200;
const searchFrom = 10; // so many swarms and candidates are worth a search

const stateWords = { setup: "Setup", sharing: "Sharing", yielding: "Yielding", paused: "Paused", off: "Off" };

let stream; // the EventSource, while we are let in
let timer; // of the next refresh
let unanswered = false; // the trouble shown is that of a refresh, and ends with the next that succeeds

// trouble tells the owner about an error, until it is called without.
function trouble(error) {
  const shown = byId("trouble");
  shown.hidden = !error;
  say(shown, error ? error.message : "");
}

// attempt does what the owner asked for, and shows how it went.
async function attempt(act) {
  trouble();
  try {
    await act();
  } catch (error) {
    handle(error);
    return false;
  }
  await refresh();
  return true;
}

function handle(error) {
  if (error.status === 401) {
    letOut();
  } else {
    trouble(error);
  }
}

// refresh shows how things are now, and does so again after a while.
async function refresh() {
  try {
    const status = await api.get("status");
    const wanted = byId("search").value.trim();
    const question = wanted ? `&q=${encodeURIComponent(wanted)}` : "";
    const lists = ["foreground", "background", "candidates"].map((kind) =>
      api.get(`${kind}?limit=${mostRows}${kind === "foreground" ? "" : question}`),
    );
    const [foreground, background, candidates] = await Promise.all(lists);
    letIn();
    showStatus(status);
    showList("foreground", foreground, foregroundRow);
    showList("background", background, backgroundRow);
    showList("candidates", candidates, candidateRow);
    if (wanted) byId("background-none").hidden = byId("candidates-none").hidden = true;
    byId("background-found").hidden = !wanted || background.total > 0;
    byId("search-line").hidden = !wanted && background.total + candidates.total < searchFrom;
    if (unanswered) trouble();
    unanswered = false;
  } catch (error) {
    handle(error);
    if (error.status === 401) return;
    unanswered = true;
  }
  clearTimeout(timer); // two refreshes at once must not leave two timers
  if (!document.hidden) timer = setTimeout(refresh, refreshEvery);
}

function showStatus(s) {
  const { background: b, foreground: f, disk: d, link: l } = s;
  const pill = byId("pill");
  pill.hidden = false;
  pill.className = `pill ${s.state}`;
  say(pill, stateWords[s.state] || s.state);
  say(byId("why"), s.why);
  byId("setup").hidden = s.state !== "setup";
  const later = s.next_start || [];
  byId("next-start").hidden = !later.length;
  say(byId("next-start"), later.length ? `Waits for the next start of ebb: ${later.join(", ")}` : "");
  document.title = `ebb: ${stateWords[s.state] || s.state}`;

  say(byId("background-rates"), rates(b.upload_rate, b.download_rate));
  say(byId("background-more"), `limits ↑ ${limit(b.upload_limit)}  ↓ ${limit(b.download_limit)}, served ${size(b.uploaded)} so far`);
  say(byId("foreground-rates"), rates(f.upload_rate, f.download_rate));
  say(byId("foreground-more"), `${count(f.torrents, "torrent")}, ${f.active} active`);
  byId("others").hidden = !l.interface;
  say(byId("others-rates"), rates(l.others_up, l.others_down));
  say(byId("others-more"), `${l.interface}, line ↑ ${rate(l.line_up)}  ↓ ${rate(l.line_down)}, ${Math.round(l.queue_delay_ms)} ms of queue`);

  const allotment = Math.max(b.storage_allotment, b.storage_used);
  const held = `${count(b.fragments, "fragment")} of ${count(b.swarms, "swarm")}`;
  say(byId("lent-text"), allotment > 0 ? `${size(b.storage_used)} of ${size(b.storage_allotment)} used, ${held}` : "none");
  const usable = Math.max(0, b.storage_limit - b.storage_used);
  bar(byId("lent"), allotment, [["fragments", b.storage_used], ["free", usable], ["barred", allotment - b.storage_used - usable]]);
  const short = b.storage_limit < b.storage_allotment;
  byId("lent-more").hidden = !short;
  say(byId("lent-more"), short ? `Only ${size(b.storage_limit)} may be used now, to keep the disk free for you.` : "");

  const budgeted = b.write_budget >= 0 && (allotment > 0 || b.written_today > 0);
  const spent = b.written_today >= b.write_budget ? `; nothing new is fetched until ${clock(b.write_budget_renews)}` : "";
  byId("budget").hidden = !budgeted;
  say(byId("budget"), budgeted ? `${size(b.written_today)} of ${size(b.write_budget)} written today${spent}.` : "");

  const elsewhere = !d.same_disk && d.downloads_total > 0;
  const promised = elsewhere ? 0 : d.promised; // of this disk
  showDisk(byId("disk-text"), byId("disk"), { free: d.free, total: d.total, fragments: b.storage_used, promised });
  byId("read-only").hidden = !d.read_only;
  byId("asleep").hidden = !d.asleep;
  byId("downloads").hidden = !elsewhere;
  const downloads = { free: d.downloads_free, total: d.downloads_total, fragments: 0, promised: d.promised };
  showDisk(byId("downloads-text"), byId("downloads-disk"), downloads);

  say(byId("footer"), `ebb ${s.version}, up for ${duration(s.uptime_seconds)}`);
}

// showDisk shows one disk, in words and as a bar.
function showDisk(text, parts, { free, total, fragments, promised }) {
  say(text, `${size(free)} of ${size(total)} free (${percent(free, total)})` + (promised ? `, ${size(promised)} promised` : ""));
  const kept = Math.min(promised, free);
  bar(parts, total, [["other", total - free - fragments], ["fragments", fragments], ["promised", kept], ["free", free - kept]]);
}

function showList(kind, { total, items }, row) {
  rows(byId(kind), items, (item) => row(item, attempt));
  byId(`${kind}-none`).hidden = total > 0;
  say(byId(`${kind}-count`), total > items.length ? `${items.length} of ${total.toLocaleString()}` : total ? `${total}` : "");
}

function showEvent(e) {
  const list = byId("events");
  const when = element("time", "", time(e.time));
  when.dateTime = e.time;
  const text = element("span", "");
  text.dir = "auto";
  say(text, e.text);
  list.prepend(element("li", "event", when, text));
  while (list.childElementCount > mostEvents) list.lastElementChild.remove();
  byId("events-none").hidden = true;
}

// letIn shows the page to somebody who has a session.
function letIn() {
  byId("entry").hidden = true;
  byId("all").hidden = false;
  if (!stream || stream.readyState === EventSource.CLOSED) {
    byId("events").replaceChildren();
    stream = new EventSource("api/v1/events");
    stream.onmessage = (message) => showEvent(JSON.parse(message.data));
  }
}

// letOut asks for the token.
function letOut() {
  if (stream) stream.close();
  stream = undefined;
  trouble();
  byId("all").hidden = true;
  byId("pill").hidden = true;
  byId("entry").hidden = false;
  byId("token").focus();
}

async function enter(token) {
  try {
    await api.openSession(token.trim());
  } catch (error) {
    letOut();
    trouble(error);
    return;
  }
  byId("token").value = "";
  trouble();
  await refresh();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(byId("token").value);
});

byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const kind = event.submitter?.value || "foreground";
  const [uri, file] = [byId("uri").value.trim(), byId("file").files[0]];
  if (!uri && !file) {
    byId("uri").focus();
    return;
  }
  if (await attempt(() => (file ? api.addFile(kind, file) : api.addURI(kind, uri)))) {
    event.target.reset();
    chosen();
  }
});

// chosen shows which file is chosen: it goes before a link.
function chosen() {
  const file = byId("file").files[0];
  say(byId("file-name"), file ? file.name : "");
  byId("uri").disabled = Boolean(file);
}

byId("file").addEventListener("change", chosen);

byId("setup").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => api.changePreferences((p) => (p.background.storage = byId("storage").value.replace(/\s/g, ""))));
});

prepareCheckUp(attempt);
preparePreferences(attempt);

let searching; // the timer of a search that waits for the next key
byId("search").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(refresh, 250);
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

// enterByAddress takes the token that an address carries behind '#': that part is
// never sent over the network, and it leaves the address bar at once.
function enterByAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  history.replaceState(null, "", location.pathname);
  enter(token);
  return true;
}

window.addEventListener("hashchange", enterByAddress);
if (!enterByAddress()) refresh();
