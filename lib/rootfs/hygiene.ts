// Nothing of the build stays in the image: what a build leaves is removed here, and the gates prove that it is gone.
import { existsSync, lstatSync, readFileSync, readdirSync, rmSync, writeFileSync, chmodSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { openExcludes } from "./excludes.ts";
import { resolveIn } from "./paths.ts";
import { walk } from "./tree.ts";

/** Everything below these directories goes; the directories stay. */
const emptied = ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp"];

/** Files that a build leaves, by pattern of their name, and what made them. */
const leftovers: readonly { dir: string; name: RegExp; why: string }[] = [
  { dir: "/etc", name: /^(passwd|group|shadow|gshadow|subuid|subgid)-$/, why: "backups of shadow's tools" },
  { dir: "/etc/ssh", name: /^ssh_host_.*/, why: "keys must be each device's own" },
  { dir: "/etc/ssl/private", name: /^ssl-cert-snakeoil\.key$/, why: "keys must be each device's own" },
  { dir: "/etc/ssl/certs", name: /^ssl-cert-snakeoil\.pem$/, why: "the certificate of such a key" },
  { dir: "/root", name: /^\.(bash_history|python_history|lesshst|wget-hsts)$/, why: "somebody's session" },
  { dir: "/usr/sbin", name: /^policy-rc\.d$/, why: "kept services from starting during the build" },
  { dir: "/var/cache/apt", name: /\.bin$/, why: "apt makes them when it is run" },
  { dir: "/var/cache/apt/archives", name: /\.deb$|^lock$/, why: "packages are not kept" },
  { dir: "/var/cache/debconf", name: /-old$/, why: "backups of debconf" },
  { dir: "/var/cache/ldconfig", name: /^aux-cache$/, why: "it holds inode numbers" },
  { dir: "/var/lib/apt/lists", name: /^[^/]*_|^lock$/, why: "lists age; the device fetches its own" },
  { dir: "/var/lib/dbus", name: /^machine-id$/, why: "each device has its own" },
  { dir: "/var/lib/dpkg", name: /-old$|^lock$|^lock-frontend$/, why: "backups and locks of dpkg" },
  { dir: "/var/lib/dpkg/triggers", name: /^Lock$/, why: "a lock of dpkg" },
  { dir: "/var/lib/systemd", name: /^(random-seed|credential\.secret)$/, why: "each device has its own" },
];

/** Removes what a build leaves and brings what it dates to `epoch` (seconds). */
export async function clean(root: string, o: { epoch: number }): Promise<void> {
  for (const dir of emptied) for (const name of list(root, dir)) rmSync(inDir(root, dir, name), { recursive: true, force: true });
  for (const { dir, name } of leftovers) {
    for (const found of list(root, dir)) if (name.test(found)) rmSync(inDir(root, dir, found), { recursive: true, force: true });
  }
  removeDangling(root, "/etc/ssl/certs");
  removeLogs(root);
  emptyMachineId(root);
  datePasswords(root, o.epoch);
  keyTheFirstStart(root);
}

/** A name in a directory of the image, wherever links in the image lead: never out of it. The name itself is not followed. */
function inDir(root: string, dir: string, name: string): string {
  return join(resolveIn(root, dir), name);
}

function list(root: string, dir: string): string[] {
  try {
    return readdirSync(resolveIn(root, dir));
  } catch {
    return [];
  }
}

/** A log that has been written to is the build's; an empty one is the package's. */
function removeLogs(root: string): void {
  const into = (dir: string) => {
    for (const name of list(root, dir)) {
      const stat = lstatSync(inDir(root, dir, name));
      if (stat.isDirectory()) into(`${dir}/${name}`);
      else if (stat.isFile() && stat.size > 0) rmSync(inDir(root, dir, name));
    }
  };
  into("/var/log");
}

function removeDangling(root: string, dir: string): void {
  for (const name of list(root, dir)) {
    const path = inDir(root, dir, name);
    if (lstatSync(path).isSymbolicLink() && name.match(/^[0-9a-f]{8}\.\d$/) && !existsSync(resolveIn(root, `${dir}/${name}`))) rmSync(path);
  }
}

/** Empty, never absent and never `uninitialized`, at which first boot enables again what was disabled. */
function emptyMachineId(root: string): void {
  const file = inDir(root, "/etc", "machine-id");
  rmSync(file, { recursive: true, force: true });
  if (!existsSync(resolveIn(root, "/usr/lib/systemd/systemd")) && !existsSync(resolveIn(root, "/etc/systemd"))) return;
  writeFileSync(file, "", { flag: "wx" });
  chmodSync(file, 0o444);
}

/** The day of a password's last change is the archive's, not the builder's. */
function datePasswords(root: string, epoch: number): void {
  const file = resolveIn(root, "/etc/shadow");
  if (!existsSync(file)) return;
  const day = String(Math.floor(epoch / 86400));
  const dated = readFileSync(file, "utf8").split("\n").map((line) => {
    const fields = line.split(":");
    return fields.length < 3 || fields[2] === "" || fields[2] === "0" ? line : fields.with(2, day).join(":");
  });
  writeFileSync(file, dated.join("\n"));
}

/** Host keys were removed above; with an empty machine-id no boot is a first boot, so the key must be asked for by its absence. */
function keyTheFirstStart(root: string): void {
  const unit = ["/usr/lib/systemd/system", "/lib/systemd/system"].map((d) => resolveIn(root, `${d}/sshd-keygen.service`)).find((f) => existsSync(f));
  if (!unit || !readFileSync(unit, "utf8").includes("ConditionFirstBoot")) return;
  const dropIn = resolveIn(root, "/etc/systemd/system/sshd-keygen.service.d/missing-key.conf");
  if (existsSync(dropIn)) return;
  mkdirSync(dirname(dropIn), { recursive: true });
  writeFileSync(dropIn, "# The image has no host keys: they are made at the first start, whichever boot that is.\n[Unit]\nConditionFirstBoot=\nConditionPathExists=!/etc/ssh/ssh_host_ed25519_key\n");
}

// ── Gates ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface GateOptions {
  readonly sandbox: Sandbox;
  readonly epoch: number;
  /** Globs that were not unpacked. */
  readonly excludes: readonly string[];
  /** Paths that steps of scriptlets wrote, changed or removed. */
  readonly made: readonly string[];
}

/** What is wrong with a finished tree: each with the file and what to do. */
export async function gates(root: string, o: GateOptions): Promise<UserError[]> {
  const [audit, verify] = await Promise.all([
    inSandbox(o.sandbox, root, { argv: ["dpkg", "--audit"], ok: [0, 1] }),
    inSandbox(o.sandbox, root, { argv: ["dpkg", "--verify"], ok: [0, 1] }),
  ]);
  return [...packageGate(root), ...auditGate(audit.stdout), ...verifyGate(verify.stdout, o), ...leftoverGate(root), ...treeGate(root, o.epoch)];
}

function packageGate(root: string): UserError[] {
  const status = readFileSync(resolveIn(root, "/var/lib/dpkg/status"), "utf8");
  const bad = status.split("\n\n").filter((p) => /^Package: /m.test(p) && !/^Status: (install|hold) ok installed$/m.test(p));
  return bad.map((p) => {
    const [name, state] = [/^Package: (.*)$/m.exec(p)![1]!, /^Status: (.*)$/m.exec(p)?.[1]];
    return new UserError("gate.package", `the package \`${name}\` is \`${state}\` and not installed`, { hint: `debcast log ${name}` });
  });
}

function auditGate(output: string): UserError[] {
  if (output.trim() === "") return [];
  return [new UserError("gate.audit", "`dpkg --audit` finds faults in the image", { details: output.trim(), hint: "debcast shell --failed" })];
}

/** Lines of `dpkg --verify` are expected for excluded paths and for what steps changed; any other is damage. */
function verifyGate(output: string, o: GateOptions): UserError[] {
  const made = new Set(o.made);
  const excluded = openExcludes(o.excludes);
  const unexpected = output.split("\n").filter((line) => {
    const path = /\s(\/.*)$/.exec(line)?.[1];
    return path !== undefined && !made.has(path) && !excluded(path);
  });
  if (unexpected.length === 0) return [];
  return [new UserError("gate.verify", `${unexpected.length} files of packages differ from what was unpacked, and no scriptlet's step changed them`, {
    details: unexpected.slice(0, 20).join("\n"),
    hint: "change files of packages with steps (edit, write, remove) instead of commands, so that the image can be told from a damaged one",
  })];
}

function leftoverGate(root: string): UserError[] {
  const found = leftovers.flatMap(({ dir, name, why }) => list(root, dir).filter((f) => name.test(f)).map((f) => ({ path: `${dir}/${f}`, why })));
  const filled = emptied.flatMap((dir) => list(root, dir).map((f) => ({ path: `${dir}/${f}`, why: "it is empty when a device starts" })));
  return [...found, ...filled].map(({ path, why }) => new UserError("gate.leftover", `\`${path}\` is left in the image: ${why}`, { hint: `debcast why ${path}` }));
}

function treeGate(root: string, epoch: number): UserError[] {
  const errors: UserError[] = [];
  const say = (code: string, message: string, hint: string) => errors.push(new UserError(code, message, { hint }));
  walk(root, (path, stat) => {
    if (stat.isCharacterDevice() || stat.isBlockDevice()) say("gate.device", `\`${path}\` is a device node`, "devices come from devtmpfs when the device starts");
    if (stat.isSocket() || stat.isFIFO()) say("gate.socket", `\`${path}\` is a socket or pipe that a process of the build left`, `debcast why ${path}`);
    if (stat.mtimeMs > epoch * 1000) say("gate.time", `\`${path}\` is newer than the archive`, "this is a mistake in debcast: times are clamped before");
    if (/eatmydata/.test(path) && !existsSync(resolveIn(root, "/var/lib/dpkg/info/eatmydata.list"))) say("gate.eatmydata", `\`${path}\` is of the build`, `debcast why ${path}`);
  });
  return errors;
}
