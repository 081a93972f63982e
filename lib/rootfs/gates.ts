// What must hold of every finished image, checked at the end of every build: an ordinary Debian with nothing of the build in it.
// A gate that does not hold is an error with the file and what to do.
import { existsSync, lstatSync, readFileSync, type Stats } from "node:fs";
import { UserError } from "../errors.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { openExcludes } from "./excludes.ts";
import { emptied, findLeftovers, list, shippedPaths } from "./hygiene.ts";
import { resolveIn } from "./paths.ts";
import { walk } from "./tree.ts";
import { verifyPackages, type PlacedAt } from "./verify.ts";

export interface GateOptions {
  readonly sandbox: Sandbox;
  readonly epoch: number;
  /** Globs that were not unpacked. */
  readonly excludes: readonly string[];
  /** Paths that steps of scriptlets wrote, changed or removed. */
  readonly made: readonly string[];
  /** When the packages' files were put in place. */
  readonly placed: PlacedAt;
  /** What was found in the tree before some of its paths changed, which are then the only ones to look at again. */
  readonly before?: { readonly findings: Findings; readonly changed: ReadonlySet<string> };
}

/** What a look at a whole tree finds, as JSON: whether it matters depends on what steps made. */
export interface Findings {
  readonly audit: string;
  /** Lines of `dpkg --verify`. */
  readonly verify: readonly string[];
  readonly nodes: readonly Found[];
}

interface Found {
  readonly path: string;
  readonly gate: string;
  readonly message: string;
  readonly hint: string;
}

/** What is wrong with a finished tree. */
export async function gates(root: string, o: GateOptions): Promise<UserError[]> {
  const shipped = shippedPaths(root);
  const { audit, verify, nodes } = o.before ? await lookAgain(root, { ...o, ...o.before, shipped }) : await findings(root, o, shipped);
  const made = new Set(o.made);
  return [
    ...packageGate(root), ...auditGate(audit), ...verifyGate(verify.join("\n"), o), ...leftoverGate(root, shipped), ...machineIdGate(root),
    ...nodes.filter((f) => !(shipped.has(f.path) || made.has(f.path)) || !byBuild.includes(f.gate)).map((f) => gate(f.gate, f.message, { hint: f.hint })),
  ];
}

/** Looks at every path, and at every file of a package that somebody can have touched. */
export async function findings(root: string, o: Pick<GateOptions, "sandbox" | "epoch" | "placed">, shipped: ReadonlySet<string> = shippedPaths(root)): Promise<Findings> {
  const { stdout, stderr } = await inSandbox(o.sandbox, root, { argv: ["dpkg", "--audit"], ok: [0, 1] });
  const nodes: Found[] = [];
  walk(root, (path, stat) => nodes.push(...lookAt({ root, path, stat, epoch: o.epoch, shipped })));
  return { audit: stdout + stderr, verify: verifyPackages(root, o.placed), nodes };
}

interface Again extends GateOptions {
  readonly findings: Findings;
  readonly changed: ReadonlySet<string>;
  readonly shipped: ReadonlySet<string>;
}

/** What was found before, brought up to date where paths have changed since. */
async function lookAgain(root: string, o: Again): Promise<Findings> {
  const { changed } = o;
  // Somebody has been at dpkg's own files: nothing that it said holds any more.
  if ([...changed].some((p) => /^\/var\/lib\/dpkg\/(status|diversions|statoverride|info\/.*)$/.test(p))) return findings(root, o, o.shipped);
  const kept = o.findings.verify.filter((line) => !changed.has(verifiedPath(line) ?? ""));
  const nodes = o.findings.nodes.filter((f) => !changed.has(f.path));
  for (const path of changed) {
    const stat = lstatSync(root + path, { throwIfNoEntry: false });
    if (stat) nodes.push(...lookAt({ root, path, stat, epoch: o.epoch, shipped: o.shipped }));
  }
  return { audit: o.findings.audit, verify: [...kept, ...verifyAgain(root, o)], nodes: nodes.filter((f) => existsSync(root + f.path) || lstatSync(root + f.path, { throwIfNoEntry: false })) };
}

/** Files of packages that changed, and that no step answers for, are rare. */
function verifyAgain(root: string, o: Again): string[] {
  const made = new Set(o.made);
  const suspect = new Set([...o.changed].filter((p) => o.shipped.has(p) && !made.has(p) && !lstatSync(root + p, { throwIfNoEntry: false })?.isDirectory()));
  return suspect.size === 0 ? [] : verifyPackages(root, o.placed).filter((line) => suspect.has(verifiedPath(line) ?? ""));
}

function verifiedPath(line: string): string | undefined {
  return /\s(\/.*)$/.exec(line)?.[1];
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
    const path = verifiedPath(line);
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
}

function lookAt(v: Visit): Found[] {
  const found = nodeGate(v.path, v.stat) ?? timeGate(v.path, v.stat, v.epoch) ?? buildGate(v);
  return found ? [{ path: v.path, ...found }] : [];
}

type Fault = Omit<Found, "path">;

function nodeGate(path: string, s: Stats): Fault | undefined {
  if (s.isCharacterDevice() || s.isBlockDevice()) return { gate: "device", message: `\`${path}\` is a device node`, hint: "devices come from devtmpfs when the device starts" };
  if (s.isSocket() || s.isFIFO()) return { gate: "socket", message: `\`${path}\` is a ${s.isSocket() ? "socket" : "named pipe"} that a process of the build left`, hint: `debcast why ${path}` };
  return undefined;
}

function timeGate(path: string, s: Stats, epoch: number): Fault | undefined {
  if (s.mtimeMs <= epoch * 1000) return undefined;
  return { gate: "time", message: `\`${path}\` is newer than the archive that the image is made of`, hint: "times are clamped before this check: a mistake in debcast" };
}

/** Gates that let pass what a package ships or a step made. */
const byBuild: readonly string[] = ["build", "key"];

/** What looks as if a build made it. */
function buildGate(v: Visit): Fault | undefined {
  if (v.shipped.has(v.path)) return undefined;
  if (/\/(lib)?eatmydata[^/]*$/.test(v.path) && !v.path.startsWith("/var/lib/dpkg/")) return { gate: "build", message: `\`${v.path}\` belongs to the build`, hint: `debcast why ${v.path}` };
  if (!/^\/(etc|var\/lib|root|home)\//.test(v.path) || !v.stat.isFile() || !holdsPrivateKey(v)) return undefined;
  return {
    gate: "key", message: `\`${v.path}\` holds a private key that was made during the build, so every device would have the same`,
    hint: `in a scriptlet: runLast(({ remove }) => remove(${JSON.stringify(v.path)})), and a unit that makes it when a device starts; or write a key of your own with a step`,
  };
}

/** Keys are small, and begin with what they are. */
function holdsPrivateKey(v: Visit): boolean {
  if (v.stat.size < 64 || v.stat.size > 65_536) return false;
  const at = v.root + v.path;
  return existsSync(at) && readFileSync(at).includes("PRIVATE KEY-----");
}
