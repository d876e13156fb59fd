// The agent's API, as the page uses it. The browser sends the session's cookie
// by itself; the token is only ever here while a session is opened.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status; // of HTTP; 0 if the agent did not answer
  }
}

async function send(method, path, headers, body) {
  let response;
  try {
    response = await fetch("api/v1/" + path, { method, headers, body, credentials: "same-origin", cache: "no-store" });
  } catch {
    throw new Refused(0, "The agent does not answer. Is it running?");
  }
  if (response.ok) return response;
  let text = `The agent answered ${response.status}.`;
  try {
    text = (await response.json()).detail || text;
  } catch {
    // The status will have to do.
  }
  throw new Refused(response.status, text);
}

export async function get(path) {
  return (await send("GET", path)).json();
}

export async function post(path) {
  await send("POST", path);
}

// move moves the files of a torrent of the owner's to another directory.
export async function move(hash, directory) {
  await send("POST", `foreground/${hash}/move`, { "Content-Type": "application/json" }, JSON.stringify({ directory }));
}

export async function remove(path) {
  await send("DELETE", path);
}

// checkUp has the agent look over what is on its disk; with mend it repairs what
// it can, too.
export async function checkUp(mend) {
  return (await send(mend ? "POST" : "GET", "doctor")).json();
}

// openSession has the browser remember that it was let in, by the API token or
// by the password.
export async function openSession(secret) {
  if (/^[0-9a-f]{64}$/.test(secret)) {
    await send("POST", "session", { Authorization: "Bearer " + secret });
  } else {
    await send("POST", "session", { "Content-Type": "application/json" }, JSON.stringify({ password: secret }));
  }
}

// setPassword ends all sessions but this browser's.
export async function setPassword(password) {
  await send("PUT", "password", { "Content-Type": "application/json" }, JSON.stringify({ password }));
}

// makeToken makes a token for a program, and returns it.
export async function makeToken(name, readOnly) {
  const headers = { "Content-Type": "application/json" };
  return (await (await send("POST", "tokens", headers, JSON.stringify({ name, read_only: readOnly }))).json()).token;
}

export async function revokeToken(name) {
  await remove(`tokens/${encodeURIComponent(name)}`);
}

// addURI and addFile add to kind, which is foreground or background.
export async function addURI(kind, uri) {
  await send("POST", kind, { "Content-Type": "application/json" }, JSON.stringify({ uri }));
}

export async function addFile(kind, file) {
  await send("POST", kind, { "Content-Type": "application/x-bittorrent" }, file);
}

// readPreferences returns the preferences in force, and a tag that names them.
export async function readPreferences() {
  const response = await send("GET", "preferences");
  return { preferences: await response.json(), tag: response.headers.get("ETag") };
}

// writePreferences sets preferences if they still are those that tag names, and
// returns which of them wait for the next start.
export async function writePreferences(preferences, tag) {
  const headers = { "Content-Type": "application/json", "If-Match": tag };
  const response = await send("PUT", "preferences", headers, JSON.stringify(preferences));
  return (response.headers.get("Ebb-Next-Start") || "").split(", ").filter(Boolean);
}

// changePreferences lets change edit the preferences, and has them set if nobody
// else has changed them meanwhile.
export async function changePreferences(change) {
  const { preferences, tag } = await readPreferences();
  change(preferences);
  await writePreferences(preferences, tag);
}
