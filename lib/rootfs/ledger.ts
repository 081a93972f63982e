// Ids of users and groups that are handed out while packages are configured. The lock's ledger remembers them, so that a package
// that comes or goes moves nobody else's: names whose id differs get the ledger's, and their files follow.
import { chmodSync, lchownSync, readFileSync, writeFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import type { Ledger } from "../lock.ts";
import { inTools, type Sandbox } from "../sandbox.ts";
import { resolveIn } from "./paths.ts";
import { walk } from "./tree.ts";

/** Ids below are Debian's own and fixed; ids from 60000 on are reserved. */
const [firstHandedOut, firstReserved] = [100, 60000];

interface Ids {
  /** Natural id → ledger's id, where they differ. */
  readonly moves: ReadonlyMap<number, number>;
  readonly ledger: ReadonlyMap<string, number>;
}

/** Gives every name the id of the ledger; names that it lacks enter it with the id they have, or the next one free. */
export async function applyLedger(root: string, ledger: Ledger, sandbox: Sandbox): Promise<Ledger> {
  const users = assign(readNames(root, "passwd"), ledger.users);
  const groups = assign(readNames(root, "group"), ledger.groups);
  if (users.moves.size > 0 || groups.moves.size > 0) {
    rewrite(root, "passwd", (f) => [f[0]!, f[1]!, moved(f[2]!, users), moved(f[3]!, groups), ...f.slice(4)]);
    rewrite(root, "group", (f) => [f[0]!, f[1]!, moved(f[2]!, groups), ...f.slice(3)]);
    await moveFiles(root, { users, groups, sandbox });
  }
  return { users: users.ledger, groups: groups.ledger };
}

/** Which ids move, and the ledger afterwards; ids of names that are not here now stay taken. */
export function assign(natural: ReadonlyMap<string, number>, ledger: ReadonlyMap<string, number>): Ids {
  const after = new Map(ledger);
  const taken = new Set([...ledger.values(), ...[...natural.values()].filter((id) => !isHandedOut(id))]);
  const moves = new Map<number, number>();
  for (const [name, id] of natural) {
    if (!isHandedOut(id)) continue;
    const wanted = ledger.get(name) ?? (taken.has(id) ? nextFree(id, taken) : id);
    taken.add(wanted);
    after.set(name, wanted);
    if (wanted !== id) moves.set(id, wanted);
  }
  return { moves, ledger: after };
}

function isHandedOut(id: number): boolean {
  return id >= firstHandedOut && id < firstReserved;
}

/** System ids count down from 999, people's up from 1000, as sysusers and useradd do. */
function nextFree(id: number, taken: ReadonlySet<number>): number {
  const step = id < 1000 ? -1 : 1;
  for (let n = id < 1000 ? 999 : 1000; isHandedOut(n); n += step) if (!taken.has(n)) return n;
  throw new Error("no id is free");
}

function readNames(root: string, file: string): Map<string, number> {
  return new Map(rows(root, file).map((f) => [f[0]!, Number(f[2])]));
}

function rows(root: string, file: string): string[][] {
  return readFileSync(resolveIn(root, `/etc/${file}`), "utf8").split("\n").filter((l) => l.includes(":")).map((l) => l.split(":"));
}

function rewrite(root: string, file: string, change: (fields: string[]) => string[]): void {
  writeFileSync(resolveIn(root, `/etc/${file}`), rows(root, file).map((f) => `${change(f).join(":")}\n`).join(""));
}

function moved(id: string, { moves }: Ids): string {
  return String(moves.get(Number(id)) ?? id);
}

async function moveFiles(root: string, o: { users: Ids; groups: Ids; sandbox: Sandbox }): Promise<void> {
  const found: { path: string; stat: Stats; uid: number; gid: number }[] = [];
  walk(root, (path, stat) => {
    const [uid, gid] = [o.users.moves.get(stat.uid) ?? stat.uid, o.groups.moves.get(stat.gid) ?? stat.gid];
    if (uid !== stat.uid || gid !== stat.gid) found.push({ path, stat, uid, gid });
  });
  const programs = found.filter(({ stat }) => stat.isFile() && (stat.mode & 0o111) !== 0).map(({ path }) => path);
  const capabilities = await readCapabilities(root, programs, o.sandbox);
  for (const { path, stat, uid, gid } of found) {
    lchownSync(join(root, path), uid, gid);
    // The kernel takes setuid and setgid away from a file that gets another owner.
    if (!stat.isSymbolicLink() && (stat.mode & 0o6000) !== 0) chmodSync(join(root, path), stat.mode & 0o7777);
  }
  await restoreCapabilities(root, capabilities, o.sandbox);
}

/** Capabilities go with the owner, too: `PATH CAPS` for each program that has any. */
async function readCapabilities(root: string, programs: readonly string[], sandbox: Sandbox): Promise<Map<string, string>> {
  if (programs.length === 0) return new Map();
  const { stdout } = await inTools(sandbox, { argv: ["getcap", ...programs.map((p) => `/image${p}`)], binds: [{ from: root, to: "/image", ro: true }] });
  return new Map(stdout.split("\n").filter(Boolean).map((line) => {
    const cut = line.lastIndexOf(" ");
    return [line.slice(0, cut), line.slice(cut + 1)] as const;
  }));
}

async function restoreCapabilities(root: string, capabilities: ReadonlyMap<string, string>, sandbox: Sandbox): Promise<void> {
  for (const [path, caps] of capabilities) await inTools(sandbox, { argv: ["setcap", caps, path], binds: [{ from: root, to: "/image" }] });
}
