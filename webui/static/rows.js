// What one row of each list looks like, and what its buttons do.

import * as api from "./api.js";
import { ask, button, element, say } from "./view.js";
import { count, percent, rates, size } from "./words.js";

// row makes the parts that all rows have. Names come from strangers: dir=auto
// and the bdi element keep a right-to-left one from turning the rest around.
function row(item, buttons) {
  const name = element("bdi", "name");
  const state = element("span", "tag");
  const progress = element("progress", "");
  const facts = element("p", "facts small");
  const why = element("p", "why small");
  const waiting = element("p", "small warning");
  why.dir = waiting.dir = "auto"; // trackers' words are strangers' words
  progress.setAttribute("aria-label", `Progress of ${item.name || item.hash}`);
  const e = element("li", "", element("div", "head", name, state), progress, facts, waiting, why, element("div", "buttons", ...buttons));
  return {
    element: e,
    show({ item, value, max, facts: text }) {
      say(name, item.name || item.hash);
      name.title = item.hash;
      say(state, item.state);
      state.className = `tag ${/^[\w ]+$/.test(item.state) ? item.state.replaceAll(" ", "-") : ""}`;
      progress.hidden = !(max > 0);
      progress.max = max || 1;
      progress.value = value || 0;
      say(facts, text.filter(Boolean).join(" · "));
      const trouble = [item.waiting && `Waits: ${item.waiting}`, item.trouble].filter(Boolean).join("; ");
      say(waiting, trouble);
      waiting.hidden = !trouble;
      say(why, item.why);
      why.hidden = !item.why;
    },
  };
}

function seen(item) {
  if (item.seeds < 0 && item.leechers < 0) return "";
  const known = (n) => (n < 0 ? "?" : n.toLocaleString());
  return `${known(item.seeds)} seeding, ${known(item.leechers)} leeching`;
}

// removals are the ways to remove a torrent, and what each does to its files.
function removals(t) {
  const where = t.directory ? ` in ${t.directory}` : "";
  const help = "ebb turns it into fragments, within what you lend, and goes on helping.";
  const ways = [
    { value: "keep", label: "Keep the files", text: `ebb forgets the torrent. The files stay${where}.`, yes: "Remove" },
    { value: "delete", label: "Delete the files", text: "ebb forgets the torrent. The files go, too.", yes: "Remove and delete", danger: true },
    {
      value: "help",
      label: "Keep helping",
      text: `${help} The files stay${where}.`,
      yes: "Keep helping",
      option: { label: "Delete the files, too", text: `${help} Then the files go, with whatever did not fit.`, yes: "Help and delete", danger: true },
    },
  ];
  return t.private || t.completed === 0 ? ways.slice(0, 2) : ways; // nothing that may or can be helped with
}

// trackerDetails shows what each tracker says, to whoever opens it.
function trackerDetails() {
  const list = element("ul", "trackers small");
  const summary = element("summary", "small");
  const details = element("details", "", summary, list);
  return {
    element: details,
    show(trackers) {
      details.hidden = !trackers?.length;
      if (details.hidden) return;
      say(summary, count(trackers.length, "source") + " of peers");
      while (list.childElementCount > trackers.length) list.lastElementChild.remove();
      trackers.forEach((t, i) => {
        const line = list.children[i] || list.appendChild(element("li"));
        line.className = t.state === "refuses" || t.state === "fails" ? "warning" : "";
        line.dir = "auto";
        say(line, `${t.name}: ${t.state}${t.text ? `: ${t.text}` : ""}`);
      });
    },
  };
}

// foregroundRow, backgroundRow and candidateRow make a row for a list. attempt
// does what a button is for and shows the page anew.
export function foregroundRow(item, attempt) {
  const { hash } = item;
  const label = () => item.name || hash;
  const start = button("Start", label(), () => attempt(() => api.post(`foreground/${hash}/start`)));
  const stop = button("Stop", label(), () => attempt(() => api.post(`foreground/${hash}/stop`)));
  const verify = button("Verify", label(), () => attempt(() => api.post(`foreground/${hash}/verify`)));
  verify.title = "Hash the files again: what is damaged is downloaded anew, what you have put there is taken";
  const move = button("Move…", label(), async () => {
    const directory = prompt(`Move the files of ${label()} to which directory?`, item.directory);
    if (directory && directory !== item.directory) await attempt(() => api.move(hash, directory));
  });
  const remove = button("Remove…", label(), async () => {
    const answer = await ask({ title: "Remove this torrent?", text: label(), choices: removals(item) });
    if (!answer) return;
    const help = answer.value === "help";
    const data = answer.value === "delete" || answer.ticked ? "delete" : "keep";
    await attempt(() => api.remove(`foreground/${hash}?data=${data}&keep_helping=${help}`));
  });
  const r = row(item, [start, stop, verify, move, remove]);
  const said = trackerDetails();
  r.element.insertBefore(said.element, r.element.lastElementChild);
  return {
    element: r.element,
    update(t) {
      item = t;
      said.show(t.trackers);
      verify.hidden = !(t.length > 0) || t.state === "checking";
      move.hidden = !(t.length > 0);
      const stopped = t.state === "stopped" || t.state === "failed";
      start.hidden = !stopped;
      stop.hidden = stopped;
      const whole = t.length > 0 && t.completed >= t.length;
      r.show({
        item: t,
        value: t.completed,
        max: whole ? 0 : t.length,
        facts: [
          whole ? size(t.length) : t.length > 0 ? `${size(t.completed)} of ${size(t.length)} (${percent(t.completed, t.length)})` : "size not known yet",
          t.upload_rate || t.download_rate ? rates(t.upload_rate, t.download_rate) : "",
          `uploaded ${size(t.uploaded)}`,
          count(t.peers, "peer"),
          t.private ? "private" : "",
        ],
      });
    },
  };
}

function vetoButton(hash, label, attempt) {
  return button(
    "Veto…",
    label(),
    async () => {
      const answer = await ask({
        title: "Never this one?",
        text: `ebb leaves “${label()}”, deletes what it holds of it, and stays away for good.`,
        yes: "Veto",
        danger: true,
      });
      if (answer) await attempt(() => api.post(`background/${hash}/veto`));
    },
    "quiet",
  );
}

export function backgroundRow(item, attempt) {
  const { hash } = item;
  const label = () => item.name || hash;
  const promote = button("Make it mine…", label(), async () => {
    const rest = item.length - item.bytes;
    const answer = await ask({
      title: "Make it yours?",
      text:
        `“${label()}” becomes one of your downloads. ` +
        `What ebb holds of it is kept, and ${rest > 0 ? `the rest, about ${size(rest)},` : "the rest"} is fetched for you. It no longer counts as lent.`,
      yes: "Make it mine",
    });
    if (answer) await attempt(() => api.post(`background/${hash}/promote`));
  });
  const veto = vetoButton(hash, label, attempt);
  const r = row(item, [promote, veto]);
  return {
    element: r.element,
    update(s) {
      item = s;
      const promoting = s.state === "promoting";
      promote.hidden = promoting || !s.pieces; // without metadata there is nothing to make files from
      veto.hidden = promoting;
      r.show({
        item: s,
        value: s.fragments,
        max: s.pieces,
        facts: [
          s.pieces > 0 ? `${s.fragments.toLocaleString()} of ${count(s.pieces, "fragment")}, ${size(s.bytes)}` : "metadata not known yet",
          s.upload_rate || s.download_rate ? rates(s.upload_rate, s.download_rate) : "",
          `served ${size(s.uploaded)}`,
          count(s.peers, "peer"),
          seen(s),
        ],
      });
    },
  };
}

export function candidateRow(item, attempt) {
  const { hash } = item;
  const label = () => item.name || hash;
  const approve = button("Approve", label(), () => attempt(() => api.post(`candidates/${hash}/approve`)), "main");
  const veto = vetoButton(hash, label, attempt);
  const r = row(item, [approve, veto]);
  return {
    element: r.element,
    update(c) {
      item = c;
      approve.hidden = c.state !== "waiting";
      veto.hidden = c.state === "vetoed";
      r.show({
        item: c,
        facts: [c.length > 0 ? size(c.length) : "", seen(c), c.introducers.length ? `named by ${count(c.introducers.length, "introducer")}` : ""],
      });
    },
  };
}
