// Numbers and times as a person reads them.

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

// size writes a number of bytes: 1536 is "1.5 KiB".
export function size(bytes) {
  let unit = 0;
  while (Math.abs(bytes) >= 1000 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes.toFixed(unit > 0 && Math.abs(bytes) < 10 ? 1 : 0)} ${units[unit]}`;
}

export function rate(bytesPerSecond) {
  return `${size(bytesPerSecond)}/s`;
}

// rates writes a pair of rates; what stands still is a dash.
export function rates(up, down) {
  return `↑ ${up ? rate(up) : "–"}  ↓ ${down ? rate(down) : "–"}`;
}

// limit writes a rate limit, of which 0 means off and less means none.
export function limit(bytesPerSecond) {
  if (bytesPerSecond === 0) return "off";
  return bytesPerSecond < 0 ? "unlimited" : rate(bytesPerSecond);
}

export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`;
}

// duration writes seconds, in the largest unit that fits.
export function duration(seconds) {
  for (const [length, name] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds >= length) return count(Math.floor(seconds / length), name);
  }
  return count(Math.floor(seconds), "second");
}

export function percent(part, whole) {
  if (whole <= 0) return "0 %";
  return `${Math.floor((100 * part) / whole)} %`;
}

export function time(text) {
  const t = new Date(text);
  const day = t.toDateString() === new Date().toDateString() ? "" : t.toLocaleDateString() + " ";
  return day + t.toLocaleTimeString();
}

// clock writes a time of the day to come.
export function clock(text) {
  if (!text) return "tomorrow";
  const t = new Date(text);
  if (t.getHours() === 0 && t.getMinutes() === 0) return "midnight";
  return t.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
