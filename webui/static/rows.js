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
  why.dir = "auto";
  progress.setAttribute("aria-label", `Progress of ${item.name || item.hash}`);
  const e = element("li", "", element("div", "head", name, state), progress, facts, why, element("div", "buttons", ...buttons));
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
      say(why, item.why);
      why.hidden = !item.why;
    },
  };
}

function seen(item) {
  if (item.seeders < 0 && item.leechers < 0) return "";
  const known = (n) => (n < 0 ? "?" : n.toLocaleString());
  return `${known(item.seeders)} seeding, ${known(item.leechers)} leeching`;
}

// foregroundRow, backgroundRow and candidateRow make a row for a list. attempt
// does what a button is for and shows the page anew.
export function foregroundRow(item, attempt) {
  const { hash } = item;
  const label = () => item.name || hash;
  const start = button("Start", label(), () => attempt(() => api.post(`foreground/${hash}/start`)));
  const stop = button("Stop", label(), () => attempt(() => api.post(`foreground/${hash}/stop`)));
  const remove = button("Remove…", label(), async () => {
    const withData = await ask({
      title: "Remove this torrent?",
      text: label(),
      yes: "Remove",
      option: "Delete its files too",
    });
    if (withData !== undefined) await attempt(() => api.remove(`foreground/${hash}?data=${withData ? "delete" : "keep"}`));
  });
  const r = row(item, [start, stop, remove]);
  return {
    element: r.element,
    update(t) {
      item = t;
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
      });
      if (answer !== undefined) await attempt(() => api.post(`background/${hash}/veto`));
    },
    "quiet",
  );
}

export function backgroundRow(item, attempt) {
  const { hash } = item;
  const label = () => item.name || hash;
  const r = row(item, [vetoButton(hash, label, attempt)]);
  return {
    element: r.element,
    update(s) {
      item = s;
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
