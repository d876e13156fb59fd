// The preferences: every key with what it means and what is in force. What the
// owner changes is marked, and the agent checks it before any of it is saved.

import * as api from "./api.js";
import { prepareTokens } from "./tokens.js";
import { byId, element, say } from "./view.js";

const unchangeable = new Set(["state.directory"]); // while the agent runs on it

// toText and fromText turn a value into what stands in a field, and back into a
// value of the same kind. Of a list, each line is one item.
const toText = (value) => (Array.isArray(value) ? value.join("\n") : String(value));

function fromText(text, like) {
  if (!Array.isArray(like)) return text.trim();
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

// makeField makes the field of one key. read returns the value that stands there.
function makeField(key, value) {
  const id = `${key.section}.${key.name}`;
  const label = element("label", "", element("code", "", id));
  let input;
  if (typeof value === "boolean") {
    input = element("input");
    input.type = "checkbox";
    input.checked = value;
  } else if (Array.isArray(value)) {
    input = element("textarea");
    input.rows = Math.min(Math.max(value.length, 1), 6);
    input.value = toText(value);
  } else {
    input = element("input");
    input.type = "text";
    input.value = toText(value);
  }
  input.id = label.htmlFor = `preference-${id}`;
  input.autocomplete = "off";
  input.spellcheck = false;
  const about = element("span", "small");
  about.id = `${input.id}-about`;
  const lines = Array.isArray(value) ? "One on each line." : "";
  say(about, [key.about, lines, key.next_start ? "A change takes effect at the next start of ebb." : ""].filter(Boolean).join(" "));
  input.setAttribute("aria-describedby", about.id);
  const row = element("div", "preference", label, input, about);
  const read = () => (typeof value === "boolean" ? input.checked : fromText(input.value, value));
  const field = { id, key, element: row, read, changed: () => JSON.stringify(read()) !== JSON.stringify(value) };
  input.addEventListener("input", () => row.classList.toggle("changed", field.changed()));
  return field;
}

// preparePreferences brings the card to life. attempt does what the owner asked
// for and shows the page anew.
export function preparePreferences(attempt) {
  const [form, open, keys] = [byId("preferences"), byId("preferences-open"), byId("preferences-keys")];
  const [save, undo, said, trouble] = [byId("preferences-save"), byId("preferences-undo"), byId("preferences-said"), byId("preferences-trouble")];
  const showTokens = prepareTokens(attempt);
  let fields = [];
  let read; // the preferences that the fields show, and their tag

  function look() {
    const changed = fields.some((f) => f.changed());
    save.disabled = undo.disabled = !changed;
    return changed;
  }

  async function fill() {
    const known = (await api.get("preferences/keys")).items;
    read = await api.readPreferences();
    fields = known
      .map((key) => ({ key, value: read.preferences[key.section]?.[key.name] }))
      .filter(({ key, value }) => value !== undefined && !unchangeable.has(`${key.section}.${key.name}`))
      .map(({ key, value }) => makeField(key, value));
    const parts = [];
    fields.forEach((f, i) => {
      if (fields[i - 1]?.key.section !== f.key.section) parts.push(element("h3", "", f.key.section));
      parts.push(f.element);
    });
    keys.replaceChildren(...parts);
    tell();
    look();
  }

  function tell(error, text = "") {
    trouble.hidden = !error;
    say(trouble, error || "");
    say(said, text);
  }

  open.addEventListener("click", async () => {
    const show = form.hidden;
    if (show && !(await attempt(() => Promise.all([fill(), showTokens()])))) return;
    form.hidden = !show;
    open.setAttribute("aria-expanded", String(show));
    say(open, show ? "Hide" : "Show");
  });

  byId("password-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await attempt(() => api.setPassword(byId("password").value))) {
      event.target.reset();
      say(byId("password-said"), "Set. Other browsers have to enter it now.");
    }
  });

  form.addEventListener("input", look);
  undo.addEventListener("click", () => attempt(fill));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!look()) return;
    const changed = structuredClone(read.preferences);
    for (const f of fields) changed[f.key.section][f.key.name] = f.read();
    save.disabled = true;
    let later;
    try {
      later = await api.writePreferences(changed, read.tag);
    } catch (error) {
      tell(error.message);
      look();
      return;
    }
    if (changed.web.address !== read.preferences.web.address) {
      save.disabled = true;
      tell("", `Saved. The page moves to ${changed.web.address}: open it there.`);
      return;
    }
    await attempt(fill);
    tell("", later.length ? `Saved. The next start of ebb puts into force: ${later.join(", ")}` : "Saved, and in force.");
  });
}
