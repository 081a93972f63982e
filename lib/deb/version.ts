// The order of Debian versions, exactly as dpkg has it.

/** Negative, 0 or positive: whether `a` is older than, equal to, or newer than `b`. */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [split(a), split(b)];
  return Math.sign(compareParts(x.epoch, y.epoch) || compareParts(x.upstream, y.upstream) || compareParts(x.revision, y.revision));
}

/** Whether it is one at all, by deb-version(7): [EPOCH:]UPSTREAM[-REVISION]. An epoch of more digits is none that dpkg can hold. */
export function isVersion(version: string): boolean {
  const { epoch, upstream, revision } = split(version);
  if (version.includes(":") && !/^[0-9]{1,9}$/.test(epoch)) return false;
  return /^[0-9][A-Za-z0-9.+~:-]*$/.test(upstream) && /^[A-Za-z0-9.+~]*$/.test(revision) && !version.endsWith("-");
}

function split(version: string): { epoch: string; upstream: string; revision: string } {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? "" : version.slice(0, colon),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

/** Runs of other characters and runs of digits in turn; the first difference decides. Past the end, charCodeAt gives NaN. */
function compareParts(a: string, b: string): number {
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a.charCodeAt(i))) || (j < b.length && !isDigit(b.charCodeAt(j)))) {
      const difference = weight(a.charCodeAt(i++)) - weight(b.charCodeAt(j++));
      if (difference !== 0) return difference;
    }
    while (a[i] === "0") i++;
    while (b[j] === "0") j++;
    let first = 0;
    for (; isDigit(a.charCodeAt(i)) && isDigit(b.charCodeAt(j)); i++, j++) first ||= a.charCodeAt(i) - b.charCodeAt(j);
    if (isDigit(a.charCodeAt(i))) return 1;
    if (isDigit(b.charCodeAt(j))) return -1;
    if (first !== 0) return first;
  }
  return 0;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

/** `~` sorts before the end, the end (and a digit) before letters, letters before all else. */
function weight(c: number): number {
  if (Number.isNaN(c) || isDigit(c)) return 0;
  if (c === 126) return -1;
  return (c >= 65 && c <= 90) || (c >= 97 && c <= 122) ? c : c + 256;
}
