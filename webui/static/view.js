// Small pieces of the page's view. Whatever comes from outside gets into the
// document as text, by textContent or append, and in no other way.

export const byId = (id) => document.getElementById(id);

// element makes an element. Children are elements or text.
export function element(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

// Control characters have no business in a name, and those that turn the
// direction of writing can make "gpj.exe" look like "exe.jpg".
const misleading = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// say sets an element's text, and leaves it alone if it says so already: what a
// reader selected stays selected, and a screen reader is not told twice.
export function say(e, text) {
  text = text.replace(misleading, "\ufffd");
  if (e.textContent !== text) e.textContent = text;
}

// button makes a button that cannot be pressed again until act is through.
export function button(label, about, act, className) {
  const b = element("button", className, label);
  b.type = "button";
  b.setAttribute("aria-label", `${label}: ${about}`);
  b.addEventListener("click", async () => {
    b.disabled = true;
    try {
      await act();
    } finally {
      b.disabled = false;
    }
  });
  return b;
}

// rows shows items in a list, one row per info-hash. Rows that stay are updated
// in place, so that a focused button keeps its focus. make returns a row as
// {element, update}.
export function rows(list, items, make) {
  const known = list.rows || (list.rows = new Map());
  const gone = new Set(known.keys());
  let before = list.firstElementChild;
  for (const item of items) {
    gone.delete(item.hash);
    let row = known.get(item.hash);
    if (!row) {
      row = make(item);
      known.set(item.hash, row);
    }
    row.update(item);
    if (row.element === before) {
      before = before.nextElementSibling;
    } else {
      list.insertBefore(row.element, before);
    }
  }
  for (const hash of gone) {
    known.get(hash).element.remove();
    known.delete(hash);
  }
}

// bar shows parts of a whole: parts are [class, amount].
export function bar(e, whole, parts) {
  while (e.childElementCount > parts.length) e.lastElementChild.remove();
  parts.forEach(([className, amount], i) => {
    const part = e.children[i] || e.appendChild(document.createElement("span"));
    part.className = className;
    part.style.width = whole > 0 ? `${(100 * Math.max(0, amount)) / whole}%` : "0";
  });
}

// ask asks before something that cannot be undone, or that is worth a word. danger
// says that something is lost by it. It resolves to undefined if the answer is no,
// else to {value, ticked}.
//
// choices may offer several ways, each {value, label, text, yes, danger}. A way may
// have an option {label, text, yes, danger}: a box which, once ticked, says so in
// place of the way's own words.
export function ask({ title, text, yes, danger, choices = [] }) {
  const dialog = byId("ask");
  const fields = byId("ask-choices");
  say(byId("ask-title"), title);
  say(byId("ask-text"), text);

  const ways = choices.map(offer);
  const picked = () => ways.find((w) => w.pick.checked);
  function update() {
    ways.forEach((w) => w.update());
    const words = picked() ? picked().words() : { yes, danger };
    say(byId("ask-yes"), words.yes);
    byId("ask-yes").className = words.danger ? "danger" : "main";
  }
  if (ways.length) ways[0].pick.checked = true;
  fields.replaceChildren(fields.firstElementChild, ...ways.flatMap((w) => w.elements)); // the first is the legend
  fields.onchange = update;
  fields.hidden = !ways.length;
  update();

  let answer;
  byId("ask-yes").onclick = () => {
    answer = { value: picked()?.choice.value, ticked: Boolean(picked()?.ticked()) };
    dialog.close();
  };
  byId("ask-no").onclick = () => dialog.close();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(answer);
  });
}

// offer makes one of the ways that ask offers.
function offer(choice) {
  const { label, option } = choice;
  const [pick, tick, text] = [element("input", ""), element("input", ""), element("span", "small")];
  [pick.type, pick.name, tick.type] = ["radio", "ask-choice", "checkbox"];
  const way = element("label", "choice", pick, element("span", "", element("b", "", label), text));
  const more = element("label", "choice more", tick, element("span", "", option ? option.label : ""));
  const ticked = () => pick.checked && tick.checked;
  const words = () => (ticked() ? option : choice);
  return {
    choice,
    pick,
    ticked,
    words,
    elements: option ? [way, more] : [way],
    update() {
      say(text, words().text);
      more.hidden = !pick.checked;
    },
  };
}
