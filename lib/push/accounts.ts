// Files of accounts: what the image changed, and what somebody changed on the device, by name.

/** Fields that are lists of names, by file: of these both sides' members stay. */
const lists: Readonly<Record<string, readonly number[]>> = { "/etc/group": [3], "/etc/gshadow": [2, 3] };

/**
 * The file as it is to be on the device. `was` is what the image that it runs had, where that is known, and what those had that pushes
 * which were cut short wanted to make of it. A line that only one side changed is that side's; where both did it is the image's, but for
 * a password that somebody set on the device.
 */
export function mergeAccounts(file: string, o: { was: readonly string[]; image: string; device: string }): string {
  const [haves, image, device] = [o.was.map(rows), rows(o.image), rows(o.device)];
  // A line that any of them had is none that somebody wrote.
  const was = (name: string) => haves.map((have) => have.get(name)).find((line) => line !== undefined && line === device.get(name)) ?? haves[0]?.get(name);
  const merged: string[] = [];
  for (const [name, line] of image) merged.push(mergeLine(file, { was: was(name), image: line, device: device.get(name) }));
  for (const [name, line] of device) {
    // What the image had and has no more goes, unless it is another one by now.
    if (image.has(name) || was(name) === line) continue;
    merged.push(line);
  }
  return merged.map((line) => `${line}\n`).join("");
}

/** Names of a merged passwd or group that share an id although the image gives it to one of them alone: `[of the device, of the image, id]`. */
export function clashes(merged: string, image: string): [string, string, string][] {
  const ids = new Map([...rows(image).values()].map((l) => l.split(":")).map((f) => [f[2] ?? "", f[0]!]));
  const names = new Set(rows(image).keys());
  return [...rows(merged).values()].map((l) => l.split(":")).flatMap((f): [string, string, string][] => {
    const of = ids.get(f[2] ?? "");
    return of === undefined || names.has(f[0]!) ? [] : [[f[0]!, of, f[2]!]];
  });
}

function mergeLine(file: string, o: { was: string | undefined; image: string; device: string | undefined }): string {
  const { was, image, device } = o;
  if (device === undefined || device === image || device === was) return image;
  if (image === was) return device;
  const [w, i, d] = [was?.split(":") ?? [], image.split(":"), device.split(":")];
  for (const field of lists[file] ?? []) i[field] = mergeMembers(w[field], i[field] ?? "", d[field] ?? "");
  if (file === "/etc/shadow" && isPassword(d[1]) && d[1] !== w[1] && !(was !== undefined && i[1] !== w[1])) [i[1], i[2]] = [d[1]!, d[2] ?? ""];
  return i.join(":");
}

function mergeMembers(was: string | undefined, image: string, device: string): string {
  const split = (list: string | undefined) => (list ?? "").split(",").filter((n) => n !== "");
  const had = new Set(split(was));
  return [...new Set([...split(image), ...split(device).filter((n) => !had.has(n))])].join(",");
}

/** A hash, and not `!` or `*`. */
function isPassword(field: string | undefined): boolean {
  return field !== undefined && field.startsWith("$");
}

/** Lines by name, in order. Names in subuid may come twice: the line is the name then. */
function rows(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const name = line.slice(0, Math.max(0, line.indexOf(":")));
    found.set(found.has(name) ? line : name, line);
  }
  return found;
}
