// Nothing of the build stays in the image: what a build leaves is removed here, and the gates prove that it is gone. Paths are
// looked up as the image sees them, so that a link in it leads nobody to files of this machine.
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { resolveIn } from "./paths.ts";

export { gates, type GateOptions } from "./gates.ts";

/** What these hold is a running system's; only directories that packages ship stay (`/run/lock`). */
export const emptied = ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp"];

/** Files that a build leaves, by pattern of their name, and why they must go. */
export const leftovers: readonly { readonly dir: string; readonly name: RegExp; readonly why: string }[] = [
  { dir: "/etc", name: /^(passwd|group|shadow|gshadow|subuid|subgid)-$/, why: "a backup made by the tools that add users" },
  { dir: "/etc/ssh", name: /^ssh_host_.*_key(\.pub)?$/, why: "keys must be each device's own" },
  { dir: "/etc/ssl/private", name: /^ssl-cert-snakeoil\.key$/, why: "keys must be each device's own" },
  { dir: "/etc/ssl/certs", name: /^ssl-cert-snakeoil\.pem$/, why: "it is the certificate of a key that must be each device's own" },
  { dir: "/root", name: /^\.(bash_history|python_history|lesshst|wget-hsts|viminfo)$/, why: "somebody worked here" },
  { dir: "/usr/sbin", name: /^policy-rc\.d$/, why: "it keeps services from starting" },
  { dir: "/var/cache/apt", name: /\.bin$/, why: "apt makes it when it is run" },
  { dir: "/var/cache/apt/archives", name: /\.deb$|^lock$/, why: "it is of apt's work during the build" },
  { dir: "/var/cache/debconf", name: /-old$/, why: "it is debconf's backup" },
  { dir: "/var/cache/ldconfig", name: /^aux-cache$/, why: "it holds inode numbers" },
  { dir: "/var/lib/apt/lists", name: /_|^lock$/, why: "lists age, and the device fetches its own" },
  { dir: "/var/lib/apt/lists/partial", name: /./, why: "it is of apt's work during the build" },
  { dir: "/var/lib/dbus", name: /^machine-id$/, why: "each device has its own" },
  { dir: "/var/lib/dpkg", name: /-old$|^lock$|^lock-frontend$/, why: "it is a backup or lock of dpkg" },
  { dir: "/var/lib/dpkg/triggers", name: /^Lock$/, why: "it is a lock of dpkg" },
  { dir: "/var/lib/dpkg", name: /^tmp\.ci$/, why: "a package was being unpacked" },
  { dir: "/var/lib/systemd", name: /^(random-seed|credential\.secret)$/, why: "each device has its own" },
];

/** Removes what a build leaves and brings what it dates to `epoch` (seconds). */
export async function clean(root: string, o: { epoch: number }): Promise<void> {
  const shipped = shippedPaths(root);
  for (const dir of emptied) empty(root, dir, shipped);
  // Whatever came and went there, and wherever it was made.
  for (const dir of emptied) if (existsSync(resolveIn(root, dir))) utimesSync(resolveIn(root, dir), o.epoch, o.epoch);
  for (const { path } of findLeftovers(root)) rmSync(resolveIn(root, path, "keep"), { recursive: true, force: true });
  removeDanglingHashes(root);
  removeLogs(root, "/var/log", shipped);
  emptyMachineId(root);
  datePasswords(root, o.epoch);
  keyTheFirstStart(root);
}

/** Everything that packages put into the directories cleaned here. */
export function shippedPaths(root: string): ReadonlySet<string> {
  const shipped = new Set<string>();
  const info = resolveIn(root, "/var/lib/dpkg/info");
  for (const entry of existsSync(info) ? readdirSync(info, { withFileTypes: true }) : []) {
    if (!entry.isFile() || !entry.name.endsWith(".list")) continue;
    for (const path of readFileSync(join(info, entry.name), "utf8").split("\n")) if (path !== "/.") shipped.add(path);
  }
  return shipped;
}

/** What `leftovers` names and the image has. */
export function findLeftovers(root: string): { path: string; why: string }[] {
  return leftovers.flatMap(({ dir, name, why }) => list(root, dir).filter((f) => name.test(f)).map((f) => ({ path: `${dir}/${f}`, why })));
}

/** Names in a directory of the image, in byte order. */
export function list(root: string, dir: string): string[] {
  try {
    return readdirSync(resolveIn(root, dir)).sort();
  } catch {
    return [];
  }
}

/** A directory that is shipped stays, but not what lies in it. */
function empty(root: string, dir: string, shipped: ReadonlySet<string>): void {
  for (const name of list(root, dir)) {
    const path = `${dir}/${name}`;
    const at = resolveIn(root, path, "keep");
    if (shipped.has(path) && lstatSync(at).isDirectory()) empty(root, path, shipped);
    else rmSync(at, { recursive: true, force: true });
  }
}

/** A log that has been written to is the build's; an empty one is the package's, as its owner and mode are. */
function removeLogs(root: string, dir: string, shipped: ReadonlySet<string>): void {
  for (const name of list(root, dir)) {
    const path = `${dir}/${name}`;
    const at = resolveIn(root, path, "keep");
    const stat = lstatSync(at);
    if (stat.isDirectory()) removeLogs(root, path, shipped);
    else if (stat.isFile() && stat.size > 0 && !shipped.has(path)) rmSync(at);
  }
}

/** Links by the hash of a certificate that went above. */
function removeDanglingHashes(root: string): void {
  const dir = "/etc/ssl/certs";
  for (const name of list(root, dir)) {
    const at = resolveIn(root, `${dir}/${name}`, "keep");
    if (/^[0-9a-f]{8}\.\d+$/.test(name) && lstatSync(at).isSymbolicLink() && !existsSync(resolveIn(root, `${dir}/${name}`))) rmSync(at);
  }
}

/** Empty, never absent and never `uninitialized`: then a first boot would enable again what was disabled. */
function emptyMachineId(root: string): void {
  const file = resolveIn(root, "/etc/machine-id", "keep");
  rmSync(file, { recursive: true, force: true });
  writeFileSync(file, "", { flag: "wx" });
  chmodSync(file, 0o444);
}

/** The day of a password's last change is the archive's, not the builder's. */
function datePasswords(root: string, epoch: number): void {
  const day = String(Math.floor(epoch / 86_400));
  rewriteFile(root, "/etc/shadow", (text) => text.split("\n").map((line) => {
    const fields = line.split(":");
    return fields.length < 3 || fields[2] === "" || fields[2] === "0" ? line : fields.with(2, day).join(":");
  }).join("\n"));
}

/**
 * Host keys were removed above, and with an empty machine-id no boot is a first boot: so the key is asked for by its absence.
 * An empty `ConditionFirstBoot=` takes away all conditions of the unit, so the one on /etc/ssh is said again.
 */
function keyTheFirstStart(root: string): void {
  const unit = resolveIn(root, "/usr/lib/systemd/system/sshd-keygen.service");
  if (!existsSync(unit) || !readFileSync(unit, "utf8").includes("ConditionFirstBoot")) return;
  const dir = "/etc/systemd/system/sshd-keygen.service.d";
  if (list(root, dir).some((f) => f.endsWith(".conf") && /^ConditionFirstBoot=\s*$/m.test(readFileSync(resolveIn(root, `${dir}/${f}`), "utf8")))) return;
  const file = resolveIn(root, `${dir}/missing-key.conf`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `# The image has no host keys: they are made at the first start, whichever boot that is.
[Unit]
ConditionFirstBoot=
ConditionPathIsReadWrite=/etc/ssh
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
`);
}

/** Changes a plain file of the image, which keeps owner and mode; a link in its place is an error, no file is nothing to do. */
export function rewriteFile(root: string, path: string, change: (text: string) => string): void {
  const at = resolveIn(root, path);
  const stat = lstatSync(at, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isFile()) throw new Error(`${path} in the image is no plain file`);
  const before = readFileSync(at, "utf8");
  const after = change(before);
  if (after === before) return;
  // Renamed into place: with a second name elsewhere, only this one changes.
  const temporary = join(dirname(at), `.${process.pid}.debcast`);
  writeFileSync(temporary, after, { flag: "wx", mode: 0o600 });
  chownSync(temporary, stat.uid, stat.gid);
  chmodSync(temporary, stat.mode & 0o7777);
  renameSync(temporary, at);
}
