// Ids of users and groups that are handed out while packages are configured. The lock's ledger remembers them, so that a package
// that comes or goes moves nobody else's: names whose id differs get the ledger's, and their files follow. Ids inside of ACLs stay
// as they are; those that packages set are of Debian's fixed groups.
import { chmodSync, lchownSync, type Stats } from "node:fs";
import { join } from "node:path";
import type { Ledger } from "../lock.ts";
import { inTools, type Sandbox } from "../sandbox.ts";
import { rewriteFile } from "./hygiene.ts";
import { readIds } from "./ids.ts";
import { walk } from "./tree.ts";

/** Ids below are Debian's own and fixed; ids from 60000 on are reserved. */
const [firstHandedOut, firstReserved] = [100, 60_000];

export interface Ids {
  /** Natural id → ledger's id, where they differ. */
  readonly moves: ReadonlyMap<number, number>;
  readonly ledger: ReadonlyMap<string, number>;
}

/** What a tree's names had for ids, and what the ledger makes of them: as JSON, `[name, id]` each. */
export interface Settled {
  readonly users: readonly (readonly [string, number, number])[];
  readonly groups: readonly (readonly [string, number, number])[];
}

/** The ledger with the names of a tree in it. */
export function withNames(ledger: Ledger, s: Settled): Ledger {
  const table = (rows: Settled["users"]) => new Map(rows.map(([name, natural]) => [name, natural]));
  return { users: assign(table(s.users), ledger.users).ledger, groups: assign(table(s.groups), ledger.groups).ledger };
}

/** Whether the ledger gives the names of a tree the ids that they have there. */
export function agrees(ledger: Ledger, s: Settled): boolean {
  const after = withNames(ledger, s);
  const same = (rows: Settled["users"], ids: ReadonlyMap<string, number>) => rows.every(([name, natural, id]) => (isHandedOut(natural) ? ids.get(name) : natural) === id);
  return same(s.users, after.users) && same(s.groups, after.groups);
}

/** Gives every name the id of the ledger; names that it lacks enter it with the id they have, or the next one free. */
export async function applyLedger(root: string, ledger: Ledger, sandbox: Sandbox): Promise<{ ledger: Ledger; settled: Settled }> {
  const [naturalUsers, naturalGroups] = [readIds(root, "passwd"), readIds(root, "group")];
  const users = assign(naturalUsers, ledger.users);
  const groups = assign(naturalGroups, ledger.groups);
  const rows = (natural: ReadonlyMap<string, number>, ids: Ids) => [...natural].map(([name, id]) => [name, id, isHandedOut(id) ? ids.ledger.get(name)! : id] as const);
  if (users.moves.size > 0 || groups.moves.size > 0) {
    // The files first: a build that fails between is thrown away, so there is no half-moved tree to come back to.
    await moveFiles(root, { users, groups, sandbox });
    rewriteRows(root, "/etc/passwd", (f) => f.with(2, moved(f[2]!, users)).with(3, moved(f[3]!, groups)));
    rewriteRows(root, "/etc/group", (f) => f.with(2, moved(f[2]!, groups)));
  }
  return { ledger: { users: users.ledger, groups: groups.ledger }, settled: { users: rows(naturalUsers, users), groups: rows(naturalGroups, groups) } };
}

/** The ledger with ids that the conf itself gives; whoever had one of them before gets another. */
export function pinned(ledger: Ledger, given: readonly { readonly name: string; readonly uid?: number | undefined }[]): Ledger {
  const pin = (ids: ReadonlyMap<string, number>) => {
    const pins = new Map(given.flatMap((g) => (g.uid === undefined ? [] : [[g.name, g.uid] as const])));
    const taken = new Set(pins.values());
    return new Map([...[...ids].filter(([name, id]) => !pins.has(name) && !taken.has(id)), ...pins]);
  };
  return { users: pin(ledger.users), groups: pin(ledger.groups) };
}

/** Which ids move, and the ledger afterwards; ids of names that are not here now stay taken. */
export function assign(natural: ReadonlyMap<string, number>, ledger: ReadonlyMap<string, number>): Ids {
  const after = new Map([...ledger].filter(([, id]) => isHandedOut(id)));
  const taken = new Set([...after.values(), ...[...natural.values()].filter((id) => !isHandedOut(id))]);
  // By natural id: two names of one id stay together, for their files cannot be told apart.
  const settled = new Map<number, number>();
  for (const [name, id] of natural) {
    if (!isHandedOut(id)) continue;
    const wanted = settled.get(id) ?? after.get(name) ?? (taken.has(id) ? nextFree(id, taken) : id);
    settled.set(id, wanted);
    taken.add(wanted);
    after.set(name, wanted);
  }
  return { moves: new Map([...settled].filter(([id, wanted]) => id !== wanted)), ledger: after };
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

function rewriteRows(root: string, file: string, change: (fields: string[]) => string[]): void {
  rewriteFile(root, file, (text) => text.split("\n").map((line) => (line.split(":").length > 3 ? change(line.split(":")).join(":") : line)).join("\n"));
}

function moved(id: string, { moves }: Ids): string {
  return String(moves.get(Number(id)) ?? id);
}

interface Moving {
  readonly path: string;
  readonly stat: Stats;
  readonly uid: number;
  readonly gid: number;
}

async function moveFiles(root: string, o: { users: Ids; groups: Ids; sandbox: Sandbox }): Promise<void> {
  const found: Moving[] = [];
  walk(root, (path, stat) => {
    const [uid, gid] = [o.users.moves.get(stat.uid) ?? stat.uid, o.groups.moves.get(stat.gid) ?? stat.gid];
    if (uid !== stat.uid || gid !== stat.gid) found.push({ path, stat, uid, gid });
  });
  const capabilities = await readCapabilities(root, found, o.sandbox);
  for (const { path, stat, uid, gid } of found) {
    lchownSync(join(root, path), uid, gid);
    // The kernel takes setuid and setgid away from a file that gets another owner.
    if (!stat.isSymbolicLink() && (stat.mode & 0o6000) !== 0) chmodSync(join(root, path), stat.mode & 0o7777);
  }
  if (capabilities.length === 0) return;
  await inTools(o.sandbox, { argv: ["setcap", ...capabilities], binds: [{ from: root, to: "/image" }], what: "could not give back capabilities" });
}

/** Capabilities go with the owner, too: what setcap wants, `CAPS PATH` for each program that has any. */
async function readCapabilities(root: string, found: readonly Moving[], sandbox: Sandbox): Promise<string[]> {
  const programs = found.filter(({ stat }) => stat.isFile() && (stat.mode & 0o111) !== 0).map(({ path }) => `/image${path}`);
  if (programs.length === 0) return [];
  const { stdout } = await inTools(sandbox, {
    argv: ["getcap", ...programs], binds: [{ from: root, to: "/image", ro: true }], what: "could not read capabilities",
  });
  return stdout.split("\n").filter((line) => line !== "").flatMap((line) => {
    const cut = line.lastIndexOf(" ");
    return [line.slice(cut + 1), line.slice(0, cut)];
  });
}
