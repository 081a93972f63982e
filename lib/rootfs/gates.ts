// What must hold of every finished image, checked at the end of every build: an ordinary Debian with nothing of the build in it.
// A gate that does not hold is an error with the file and what to do.
import { existsSync, lstatSync, readFileSync, type Stats } from "node:fs";
import { UserError } from "../errors.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { openExcludes } from "./excludes.ts";
import { emptied, findLeftovers, list, shippedPaths } from "./hygiene.ts";
import { resolveIn } from "./paths.ts";
import { walk } from "./tree.ts";

export interface GateOptions {
  readonly sandbox: Sandbox;
  readonly epoch: number;
  /** Globs that were not unpacked. */
  readonly excludes: readonly string[];
  /** Paths that steps of scriptlets wrote, changed or removed. */
  readonly made: readonly string[];
}

/** What is wrong with a finished tree. */
export async function gates(root: string, o: GateOptions): Promise<UserError[]> {
  const ask = (...argv: string[]) => inSandbox(o.sandbox, root, { argv: ["dpkg", ...argv], ok: [0, 1] });
  const [audit, ...verified] = await Promise.all([ask("--audit"), ...halves(packageNames(root)).map((names) => ask("--verify", ...names))]);
  const shipped = shippedPaths(root);
  return [
    ...packageGate(root), ...auditGate(audit.stdout + audit.stderr), ...verifyGate(verified.map((v) => v.stdout).join(""), o),
    ...leftoverGate(root, shipped), ...machineIdGate(root), ...treeGate(root, o, shipped),
  ];
}

/** dpkg reads every file of every package to verify it: 750 MB take one processor 1.2 s, and two of them half of that. */
function halves(names: readonly string[]): string[][] {
  return [0, 1].map((half) => names.filter((_, i) => i % 2 === half)).filter((part) => part.length > 0);
}

function packageNames(root: string): string[] {
  const paragraphs = readFileSync(resolveIn(root, "/var/lib/dpkg/status"), "utf8").split("\n\n");
  return paragraphs.flatMap((p) => {
    const [name, arch] = [/^Package: (.*)$/m.exec(p)?.[1], /^Architecture: (.*)$/m.exec(p)?.[1]];
    return name === undefined ? [] : [arch === undefined ? name : `${name}:${arch}`];
  });
}

function gate(name: string, message: string, o: { hint: string; details?: string }): UserError {
  return new UserError(`gate.${name}`, message, o);
}

function packageGate(root: string): UserError[] {
  const status = readFileSync(resolveIn(root, "/var/lib/dpkg/status"), "utf8");
  const bad = status.split("\n\n").filter((p) => /^Package: /m.test(p) && !/^Status: (install|hold) ok installed$/m.test(p));
  return bad.map((p) => {
    const [name, state] = [/^Package: (.*)$/m.exec(p)![1]!, /^Status: (.*)$/m.exec(p)?.[1]];
    return gate("package", `the package \`${name}\` is \`${state}\` and not installed`, { hint: `debcast log ${name}` });
  });
}

function auditGate(output: string): UserError[] {
  if (output.trim() === "") return [];
  return [gate("audit", "`dpkg --audit` finds faults in the image", { details: output.trim(), hint: "debcast shell --failed" })];
}

/** Lines of `dpkg --verify` are expected of what was left out and of what steps changed; any other is damage. */
export function verifyGate(output: string, o: Pick<GateOptions, "excludes" | "made">): UserError[] {
  const excluded = openExcludes(o.excludes);
  const made = new Set(o.made);
  const isMade = (path: string): boolean => path !== "" && (made.has(path) || isMade(path.slice(0, path.lastIndexOf("/"))));
  const unexpected = output.split("\n").filter((line) => {
    const path = /\s(\/.*)$/.exec(line)?.[1];
    return path !== undefined && !isMade(path) && !excluded(path);
  });
  if (unexpected.length === 0) return [];
  const count = unexpected.length === 1 ? "a file of a package differs" : `${unexpected.length} files of packages differ`;
  return [gate("verify", `${count} from what was unpacked, and no step changed them`, {
    details: [...unexpected.slice(0, 20), ...(unexpected.length > 20 ? [`… and ${unexpected.length - 20} more`] : [])].join("\n"),
    hint: "change files of packages with steps (edit, write, remove), not with commands: then the image can be told from a damaged one",
  })];
}

function leftoverGate(root: string, shipped: ReadonlySet<string>): UserError[] {
  const filled = emptied.flatMap((dir) => list(root, dir).map((f) => `${dir}/${f}`)).filter((path) => !shipped.has(path));
  const found = [...findLeftovers(root), ...filled.map((path) => ({ path, why: "a device fills this directory when it starts" }))];
  return found.map(({ path, why }) => gate("leftover", `\`${path}\` is left in the image: ${why}`, { hint: `debcast why ${path}` }));
}

function machineIdGate(root: string): UserError[] {
  const stat = lstatSync(resolveIn(root, "/etc/machine-id", "keep"), { throwIfNoEntry: false });
  if (stat?.isFile() && stat.size === 0) return [];
  return [gate("machine-id", `\`/etc/machine-id\` is ${stat ? "not an empty file" : "absent"}, and the first boot would enable again what was disabled`, {
    hint: "no scriptlet may write it in `runLast`",
  })];
}

interface Visit {
  readonly root: string;
  readonly path: string;
  readonly stat: Stats;
  readonly epoch: number;
  readonly shipped: ReadonlySet<string>;
  readonly made: ReadonlySet<string>;
}

function treeGate(root: string, o: GateOptions, shipped: ReadonlySet<string>): UserError[] {
  const errors: UserError[] = [];
  const made = new Set(o.made);
  walk(root, (path, stat) => {
    const error = nodeGate(path, stat) ?? timeGate(path, stat, o.epoch) ?? buildGate({ root, path, stat, epoch: o.epoch, shipped, made });
    if (error) errors.push(error);
  });
  return errors;
}

function nodeGate(path: string, s: Stats): UserError | undefined {
  if (s.isCharacterDevice() || s.isBlockDevice()) return gate("device", `\`${path}\` is a device node`, { hint: "devices come from devtmpfs when the device starts" });
  if (s.isSocket() || s.isFIFO()) return gate("socket", `\`${path}\` is a ${s.isSocket() ? "socket" : "named pipe"} that a process of the build left`, { hint: `debcast why ${path}` });
  return undefined;
}

function timeGate(path: string, s: Stats, epoch: number): UserError | undefined {
  if (s.mtimeMs <= epoch * 1000) return undefined;
  return gate("time", `\`${path}\` is newer than the archive that the image is made of`, { hint: "times are clamped before this check: a mistake in debcast" });
}

/** What neither a package ships nor a step made, and looks as if a build made it. */
function buildGate(v: Visit): UserError | undefined {
  if (v.shipped.has(v.path) || v.made.has(v.path)) return undefined;
  if (/\/(lib)?eatmydata[^/]*$/.test(v.path) && !v.path.startsWith("/var/lib/dpkg/")) return gate("build", `\`${v.path}\` belongs to the build`, { hint: `debcast why ${v.path}` });
  if (!/^\/(etc|var\/lib|root|home)\//.test(v.path) || !v.stat.isFile() || !holdsPrivateKey(v)) return undefined;
  return gate("key", `\`${v.path}\` holds a private key that was made during the build, so every device would have the same`, {
    hint: `in a scriptlet: runLast(({ remove }) => remove(${JSON.stringify(v.path)})), and a unit that makes it when a device starts; or write a key of your own with a step`,
  });
}

/** Keys are small, and begin with what they are. */
function holdsPrivateKey(v: Visit): boolean {
  if (v.stat.size < 64 || v.stat.size > 65_536) return false;
  const at = v.root + v.path;
  return existsSync(at) && readFileSync(at).includes("PRIVATE KEY-----");
}
