// Two trees compared from outside of debcast: find, sha256sum, getfattr. What a device has for its own is left out.
import { spawnSync } from "node:child_process";

/** What a push leaves alone, and what only the device has, as patterns of paths. */
const own = ["./proc", "./sys", "./dev", "./run", "./tmp", "./var/tmp", "./persist", "./home/*", "./root/*", "./var/log/*", "./var/lib/debcast", "./lost+found", "./etc/machine-id", "./etc/ssh/ssh_host_*", "./etc/*-", "./etc/.pwd.lock", "./var/cache/ldconfig", "./etc/hostname", "./etc/hosts"];

/** Every path of a tree as `PATH TYPE MODE OWNER TARGET CONTENT OTHER-NAMES ATTRIBUTES`. */
export function facts(root: string, except: readonly string[] = []): Map<string, string> {
  const prune = `\\( ${[...own, ...except].map((p) => `-path '${p}'`).join(" -o ")} \\) -prune -o`;
  const found = new Map<string, string>();
  const names = new Map<string, string[]>();
  const paths = said(root, `find . -xdev ${prune} -printf '%P\\0%y %m %U %G %l\\0%i %n %y\\0'`).split("\0");
  for (let i = 0; i + 2 < paths.length; i += 3) {
    const [path, fact, inode] = [paths[i]!, paths[i + 1]!, paths[i + 2]!];
    // The mode of a link says nothing.
    found.set(path, fact.startsWith("l") ? fact.replace(/^l \d+/, "l") : fact);
    if (inode.endsWith(" f") && !inode.includes(" 1 ")) names.set(inode, [...(names.get(inode) ?? []), path]);
  }
  for (const paths of names.values()) {
    const same = paths.sort().join("|");
    for (const path of paths) found.set(path, `${found.get(path)} names ${same}`);
  }
  for (const line of said(root, `find . -xdev ${prune} -type f -print0 | xargs -0 sha256sum -z`).split("\0")) {
    const path = line.slice(68);
    if (path !== "") found.set(path, `${found.get(path)} ${line.slice(0, 64)}`);
  }
  for (const block of said(root, `find . -xdev ${prune} ! -type l -print0 | xargs -0 getfattr -hd -m - -e hex -- 2> /dev/null || true`).split("\n\n")) {
    const [head, ...rest] = block.split("\n");
    const path = head?.slice("# file: ".length).replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (path !== undefined && found.has(path)) found.set(path, `${found.get(path)} ${rest.sort().join(" ")}`);
  }
  return found;
}

/** A line for each path that is not the same in both. */
export function differing(a: string, b: string, except: readonly string[] = []): string[] {
  const [x, y] = [facts(a, except), facts(b, except)];
  return [...new Set([...x.keys(), ...y.keys()])].sort().flatMap((path) => (x.get(path) === y.get(path) ? [] : [`${JSON.stringify(path)}: ${x.get(path) ?? "not there"} → ${y.get(path) ?? "not there"}`]));
}

/** Bytes as characters: names need be no text. */
function said(root: string, script: string): string {
  const r = spawnSync("bash", ["-c", `set -o pipefail; cd "$0" && ${script}`, root], { encoding: "latin1", maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: "C" } });
  if (r.status !== 0) throw new Error(`${script} in ${root}: ${r.stderr}`);
  return r.stdout;
}
