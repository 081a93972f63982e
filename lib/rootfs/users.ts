// People's accounts, written as useradd would, but in process and without dates or chance.
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { UserError, nearest } from "../errors.ts";
import { chownTree, copyIn, makeDir, writeFile } from "./files.ts";
import { readIds, readRows } from "./ids.ts";
import { resolveIn } from "./paths.ts";

export interface Account {
  readonly name: string;
  readonly uid?: number;
  readonly groups?: readonly string[];
  readonly sshKeys?: readonly string[];
  /** A hash as in shadow(5); without one no password opens the account. */
  readonly passwordHash?: string;
  readonly shell?: string;
}

/** Makes the account, or brings one that is there to what is asked. */
export function ensureUser(root: string, a: Account, epoch: number): void {
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(a.name)) throw new UserError("user.name", `\`${a.name}\` is no name for a user`, { hint: "small letters, digits, `-` and `_`, a letter first, 32 at most" });
  if (a.shell !== undefined && !existsSync(resolveIn(root, a.shell))) throw new UserError("user.shell", `the image has no \`${a.shell}\`, the shell of \`${a.name}\``);
  const known = readRows(root, "passwd").find((f) => f[0] === a.name);
  if (known) changeUser(root, a, known);
  else addUser(root, a, epoch);
  for (const group of a.groups ?? []) joinGroup(root, a.name, group);
  if (a.passwordHash !== undefined) setPassword(root, a.name, a.passwordHash);
  if (a.sshKeys && a.sshKeys.length > 0) writeKeys(root, a.name, a.sshKeys);
}

function addUser(root: string, a: Account, epoch: number): void {
  const id = a.uid ?? nextFree(root);
  const holder = [...readIds(root, "passwd")].find(([, uid]) => uid === id)?.[0];
  if (holder !== undefined) throw new UserError("user.uid-taken", `the uid ${id} of \`${a.name}\` is that of \`${holder}\``);
  const gid = readIds(root, "group").get(a.name) ?? freeGroup(root, id);
  if (!readIds(root, "group").has(a.name)) {
    addLine(root, "group", `${a.name}:x:${gid}:`);
    addLine(root, "gshadow", `${a.name}:!::`);
  }
  const home = `/home/${a.name}`;
  addLine(root, "passwd", `${a.name}:x:${id}:${gid}::${home}:${a.shell ?? defaultShell(root)}`);
  addLine(root, "shadow", `${a.name}:!:${Math.floor(epoch / 86400)}:0:99999:7:::`);
  makeHome(root, home, id, gid);
}

function changeUser(root: string, a: Account, known: readonly string[]): void {
  if (a.uid !== undefined && Number(known[2]) !== a.uid) throw new UserError("user.uid-other", `\`${a.name}\` has the uid ${known[2]} already and cannot get ${a.uid}`);
  if (a.shell !== undefined) changeLine(root, "passwd", a.name, (f) => f.with(6, a.shell!));
}

function joinGroup(root: string, user: string, group: string): void {
  const ids = readIds(root, "group");
  if (!ids.has(group)) {
    const near = nearest(group, ids.keys());
    throw new UserError("user.no-group", `the image has no group \`${group}\`, which \`${user}\` is to join`, {
      hint: near ? `did you mean \`${near}\`?` : "the package that makes the group must be installed, or the scriptlet makes it: inImage`addgroup --system " + group + "`",
    });
  }
  const join_ = (at: number) => (f: string[]) => f.with(at, [...new Set([...(f[at] ?? "").split(",").filter(Boolean), user])].join(","));
  changeLine(root, "group", group, join_(3));
  changeLine(root, "gshadow", group, join_(3));
}

function setPassword(root: string, user: string, hash: string): void {
  if (!/^(\$[\w,./=$-]+|[!*])$/.test(hash)) throw new UserError("user.password", `the password of \`${user}\` is no hash`, { hint: "make one with `mkpasswd`, and keep that as the secret" });
  changeLine(root, "shadow", user, (f) => f.with(1, hash));
}

function writeKeys(root: string, user: string, keys: readonly string[]): void {
  const account = readRows(root, "passwd").find((f) => f[0] === user)!;
  const dir = `${account[5]}/.ssh`;
  makeDir(root, dir, { mode: 0o700 });
  writeFile(root, `${dir}/authorized_keys`, keys.map((k) => `${k.trim()}\n`).join(""), { mode: 0o600 });
  chownTree(resolveIn(root, dir), Number(account[2]), Number(account[3]));
}

function makeHome(root: string, home: string, uid: number, gid: number): void {
  if (existsSync(resolveIn(root, home))) return;
  const at = makeDir(root, home);
  const skeleton = resolveIn(root, "/etc/skel");
  if (existsSync(skeleton)) copyIn(root, skeleton, home);
  chownTree(at, uid, gid);
  chmodSync(at, 0o700);
}

function defaultShell(root: string): string {
  return existsSync(resolveIn(root, "/bin/bash")) ? "/bin/bash" : "/bin/sh";
}

function nextFree(root: string): number {
  const taken = new Set([...readIds(root, "passwd").values(), ...readIds(root, "group").values()]);
  for (let id = 1000; ; id++) if (!taken.has(id)) return id;
}

function freeGroup(root: string, wanted: number): number {
  return [...readIds(root, "group").values()].includes(wanted) ? nextFree(root) : wanted;
}

function addLine(root: string, file: string, line: string): void {
  const at = resolveIn(root, `/etc/${file}`);
  if (existsSync(at)) rewrite(at, `${readFileSync(at, "utf8").replace(/([^\n])$/, "$1\n")}${line}\n`);
}

function changeLine(root: string, file: "passwd" | "group" | "shadow" | "gshadow", name: string, change: (fields: string[]) => string[]): void {
  const at = resolveIn(root, `/etc/${file}`);
  if (!existsSync(at)) return;
  rewrite(at, readFileSync(at, "utf8").split("\n").map((l) => (l.startsWith(`${name}:`) ? change(l.split(":")).join(":") : l)).join("\n"));
}

/** In place: owner and mode (shadow's are special) stay. */
function rewrite(at: string, text: string): void {
  writeFileSync(at, text);
}

