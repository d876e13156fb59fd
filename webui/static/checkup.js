// The check-up: what the agent finds on its disk, and a button to mend it.

import * as api from "./api.js";
import { byId, element, say } from "./view.js";
import { count } from "./words.js";

// left says whether a finding is a fault that is still there.
const left = (finding) => finding.level === "problem" && !finding.mended;

function findingRow(finding) {
  const mark = finding.mended ? "mended" : finding.level;
  const level = element("span", `tag ${/^\w+$/.test(mark) ? mark : ""}`);
  const about = element("bdi", "name");
  const text = element("span", "");
  text.dir = "auto";
  say(level, mark);
  say(about, finding.about);
  say(text, finding.text);
  return element("li", "", level, element("div", "", about, " ", text));
}

function show(findings, mended) {
  const problems = findings.filter(left).length;
  byId("findings").replaceChildren(...findings.map(findingRow));
  byId("mend").hidden = !problems || mended; // what one attempt leaves, the next would leave too
  const when = new Date().toLocaleTimeString();
  const found = problems ? count(problems, "problem") : "no problem";
  say(byId("checked"), problems && mended ? `${when}: ${found} that cannot be mended from here` : `${when}: ${found}`);
}

// prepareCheckUp brings the buttons to life. attempt does what a button is for
// and shows the page anew.
export function prepareCheckUp(attempt) {
  const buttons = [byId("check"), byId("mend")];
  async function look(mend) {
    buttons.forEach((b) => (b.disabled = true));
    say(byId("checked"), mend ? "Mending…" : "Looking…");
    let told = false;
    await attempt(async () => {
      show((await api.checkUp(mend)).findings, mend);
      told = true;
    });
    if (!told) say(byId("checked"), "");
    buttons.forEach((b) => (b.disabled = false));
    // A button that is disabled or hidden loses the focus; nobody else does.
    if (document.activeElement === document.body) byId("check").focus({ preventScroll: true });
  }
  byId("check").addEventListener("click", () => look(false));
  byId("mend").addEventListener("click", () => look(true));
}
