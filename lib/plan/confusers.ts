// The users of an image definition.
import { nearest } from "../errors.ts";
import type { User } from "../api.ts";
import type { Complaints } from "./confcheck.ts";
import { plainObject, secretName, shown } from "./values.ts";

const keys = ["name", "uid", "groups", "sshKeys", "password", "shell"];
const userName = /^[a-z_][a-z0-9_-]{0,31}$/;
const publicKey = /^(?:[^\s#][^#]*\s)?(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) AAAA[A-Za-z0-9+/]+={0,3}(?:\s.*)?$/;

export function checkUsers(v: unknown, c: Complaints): readonly User[] {
  if (!Array.isArray(v)) {
    c.wrong(["users"], `\`users\` is ${shown(v)}; expected a list`, 'users: [{ name: "ada", sshKeys: ["ssh-ed25519 …"] }],');
    return [];
  }
  const users = v.flatMap((u: unknown) => checkUser(u, c) ?? []);
  for (const key of ["name", "uid"] as const) duplicates(users, key, c);
  return users;
}

function duplicates(users: readonly User[], key: "name" | "uid", c: Complaints): void {
  const seen = new Map<unknown, string>();
  for (const u of users) {
    const first = u[key] === undefined ? undefined : seen.get(u[key]);
    if (first !== undefined) c.wrong(["users", u.name], key === "uid" ? `the users \`${first}\` and \`${u.name}\` have the same uid ${u.uid}` : `the user \`${u.name}\` is there twice`);
    seen.set(u[key], u.name);
  }
}

function checkUser(u: unknown, c: Complaints): User | undefined {
  if (!plainObject(u) || typeof u.name !== "string") return void c.wrong(["users"], `a user is ${shown(u)}; expected { name, uid, groups, sshKeys, password, shell }`);
  const { name } = u;
  const at = (message: string, hint?: string) => c.wrong(["users", name], `${message} of user \`${name}\``, hint);
  if (!userName.test(name)) c.wrong(["users", name], `\`${name}\` is no name for a user: small letters, digits, \`-\` and \`_\`, at most 32`);
  for (const key of Object.keys(u).filter((k) => !keys.includes(k))) {
    const near = nearest(key, keys);
    c.wrong(["users", name, key], `a user has no \`${key}\``, near ? `did you mean \`${near}\`?` : `it has ${keys.map((k) => `\`${k}\``).join(", ")}`);
  }
  if (u.uid !== undefined && !(Number.isInteger(u.uid) && (u.uid as number) >= (name === "root" ? 0 : 1) && (u.uid as number) < 65534)) at(`${shown(u.uid)} is no uid`);
  if (u.shell !== undefined && !(typeof u.shell === "string" && u.shell.startsWith("/"))) at(`${shown(u.shell)} is no shell`, 'shell: "/bin/bash"');
  if (u.password !== undefined && u.password !== "locked" && secretName(u.password) === undefined) {
    at("an open password", `password: secret("${name}-password"), with the hash that \`mkpasswd\` prints in secrets/${name}-password`);
  }
  return { ...u, name, groups: checkGroups(u.groups, at), sshKeys: checkKeys(u.sshKeys, at) } as User;
}

type At = (message: string, hint?: string) => void;

function checkGroups(v: unknown, at: At): readonly string[] {
  if (v === undefined) return [];
  if (!Array.isArray(v)) return at(`${shown(v)} is no list of groups`), [];
  for (const g of v) if (typeof g !== "string" || !userName.test(g)) at(`${shown(g)} is no group`);
  return v.filter((g) => typeof g === "string");
}

/** Keys, one per line: a .pub file that is imported ends with a line break, and may hold several. */
function checkKeys(v: unknown, at: At): readonly string[] {
  if (v === undefined) return [];
  if (!Array.isArray(v) || v.some((k) => typeof k !== "string")) return at(`${shown(v)} is no list of SSH keys`), [];
  const all = (v as string[]).flatMap((k) => k.split("\n").map((l) => l.trim()).filter((l) => l !== "" && !l.startsWith("#")));
  if (all.some((k) => k.includes("PRIVATE KEY"))) return at("a private SSH key instead of a public one"), [];
  for (const k of all) if (!publicKey.test(k)) at(`\`${k.length > 40 ? `${k.slice(0, 40)}…` : k}\` is no public SSH key`, "a line as in id_ed25519.pub: `ssh-ed25519 AAAA… comment`");
  return all;
}
