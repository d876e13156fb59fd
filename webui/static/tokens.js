// The tokens that the owner has made for programs: what they are for, what they
// are good for, and an end to them.

import * as api from "./api.js";
import { ask, button, byId, element, say } from "./view.js";
import { time } from "./words.js";

function tokenRow(token, attempt, show) {
  const name = element("bdi", "name");
  say(name, token.name);
  const good = element("span", "tag", token.read_only ? "may look" : "may change things");
  const made = element("p", "facts small", `made ${time(token.made)}`);
  const revoke = button("Revoke…", token.name, async () => {
    const text = `Whatever uses “${token.name}” is let in no longer.`;
    if (!(await ask({ title: "Revoke this token?", text, yes: "Revoke", danger: true }))) return;
    await attempt(() => api.revokeToken(token.name));
    await show();
  });
  return element("li", "", element("div", "head", name, good), made, element("div", "buttons", revoke));
}

// prepareTokens brings the form to life, and returns what shows the list.
// attempt does what the owner asked for and shows the page anew.
export function prepareTokens(attempt) {
  async function show() {
    const { items } = await api.get("tokens");
    byId("tokens").replaceChildren(...items.map((token) => tokenRow(token, attempt, show)));
  }
  byId("token-make").addEventListener("submit", async (event) => {
    event.preventDefault();
    let made = "";
    const make = async () => {
      made = await api.makeToken(byId("token-name").value, !byId("token-full").checked);
      await show();
    };
    if (!(await attempt(make))) return;
    event.target.reset();
    say(byId("token-text"), made);
    byId("token-made").hidden = false;
  });
  return show;
}
