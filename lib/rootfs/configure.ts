// Installs a group of packages on top of those that are there: wave by wave, preinst scripts, files, dpkg's database, and then
// the image's own dpkg, which runs the real maintainer scripts. The first group makes the tree.
//
// The initramfs is not made here, because what scriptlets do later must be in it (see scripts.ts). settle.ts must run
// `update-initramfs -c -k all` once all is in place.
import { copyFileSync } from "node:fs";
import type { Where } from "../errors.ts";
import { span, type Emit } from "../events.ts";
import { parseRelations } from "../deb/dependency.ts";
import type { Control, Entry, StoredDeb } from "../store/store.ts";
import type { Sandbox } from "../sandbox.ts";
import { beginDatabase, hasPreinst, stageControl } from "./dpkg.ts";
import { dpkgExcludes, excludesFile, openExcludes, type Excluder } from "./excludes.ts";
import { openInside, type Inside } from "./inside.ts";
import type { Call } from "./deferred.ts";
import { openOwners, recall, type Owners } from "./owners.ts";
import { asPackage, type Package } from "./package.ts";
import { runDpkg, runPreinsts, setSelections } from "./scripts.ts";
import type { PlacedAt } from "./verify.ts";
import { placeAll, recordAll } from "./unpack.ts";
import { essentialWave, laterWaves, type Node } from "./waves.ts";

export interface DebToInstall {
  /** As in the lock: enough to order the first wave before anything is unpacked. */
  readonly deb: { readonly name: string; readonly version: string; readonly arch: string; readonly fields: Readonly<Record<string, string | undefined>> };
  /** May still be on its way. */
  readonly stored: StoredDeb | Promise<StoredDeb>;
  /** Its control archive, where that is there before the rest. */
  readonly control?: Promise<Control>;
}

export interface GroupOptions {
  /** The tree: empty for the first group, else with all of `below` installed. */
  readonly root: string;
  readonly arch?: string;
  /** What is installed now. */
  readonly debs: readonly DebToInstall[];
  /** What was before. */
  readonly below: readonly DebToInstall[];
  readonly excludes: readonly string[];
  /** Lines for debconf-set-selections. */
  readonly preseed: readonly string[];
  readonly sandbox: Sandbox;
  readonly epoch: number;
  readonly emit: Emit;
  /** What the scripts of a package said. */
  readonly log: (pkg: string, text: string) => void;
  /** Called once, before anything of a later group is unpacked. */
  readonly before: () => Promise<void>;
  /** Whether scriptlets have put files there that packages may bring too: theirs are kept. ucf, told so, leaves others beside them. */
  readonly ownFiles: boolean;
  /** The line of a scriptlet that asked for a package, for the errors. */
  readonly whereOf?: (pkg: string) => Where | undefined;
  /** Called when all files of the group are in place. */
  readonly placed: (entries: readonly Entry[]) => void;
}

interface Work extends GroupOptions {
  readonly inside: Inside;
  readonly owners: Owners;
  readonly excluded: Excluder;
  readonly dpkgVersion: string;
  readonly calls: Call[];
  readonly placedAt: Map<string, number>;
}

/** What the order of packages is made of. */
type Ordered = Pick<DebToInstall, "deb">;

/** The Essential packages with all that they need, which are the first group; the others in their order. */
export function essentialFirst<T extends Ordered>(debs: readonly T[]): { first: T[]; rest: T[] } {
  const first = new Set(essentialWave(debs.map(asNode)).map((n) => n.of));
  return { first: debs.filter((d) => first.has(d)), rest: debs.filter((d) => !first.has(d)) };
}

export interface Installed {
  /** What maintainer scripts left for later. */
  readonly calls: readonly Call[];
  /** When the files of each package were in place (verify.ts). */
  readonly placed: PlacedAt;
}

/** Installs `debs` into `root`, on top of `below`. */
export async function installGroup(o: GroupOptions): Promise<Installed> {
  const dpkgVersion = [...o.below, ...o.debs].find((d) => d.deb.name === "dpkg")?.deb.version ?? "1.22";
  const w: Work = { ...o, inside: openInside(o.root), owners: openOwners(), excluded: openExcludes(o.excludes), dpkgVersion, calls: [], placedAt: new Map() };
  if (o.below.length === 0) await installFirst(w);
  else await installOnTop(w);
  return { calls: w.calls, placed: w.placedAt };
}

async function installFirst(w: Work): Promise<void> {
  beginDatabase(w.inside, w.arch ?? "amd64");
  const pkgs = await packagesOf(essentialWave(w.debs.map(asNode)));
  await installWave(w, pkgs, true);
  if (w.excludes.length > 0) w.inside.write(excludesFile, dpkgExcludes(w.excludes));
  removeOurs(w, pkgs);
}

async function installOnTop(w: Work): Promise<void> {
  const waves = await wavesOf(w);
  recall(w.owners, await packagesOf(w.below.map(asNode)));
  writePolicy(w);
  if (w.preseed.length > 0) await setSelections(w, w.preseed);
  await w.before();
  const all: Package[] = [];
  for (const [i, wave] of waves.entries()) {
    const pkgs = await packagesOf(wave);
    all.push(...pkgs);
    await installWave(w, pkgs, false, () => i === waves.length - 1 && w.placed(all.flatMap((p) => p.stored.entries)));
  }
  removeOurs(w, all);
}

type Waiting = Node & { readonly of: DebToInstall; readonly hasPreinst: boolean };

/** While most of the group may still be on its way. */
async function wavesOf(w: Work): Promise<Waiting[][]> {
  const below = w.below.map((d): Waiting => ({ ...asNode(d), hasPreinst: false }));
  const own = await Promise.all(w.debs.map(async (d): Promise<Waiting> => ({ ...asNode(d), hasPreinst: hasPreinst(await (d.control ?? (await d.stored).control)) })));
  return laterWaves([...below, ...own], new Set(below), (n) => n.hasPreinst);
}

/** Of a group above `below`, those that may have to be configured before the others can be unpacked. */
export function likelyFirst<T extends Ordered>(debs: readonly T[], below: readonly T[]): T[] {
  const nodes = below.map(asNode);
  const waves = laterWaves([...nodes, ...debs.map(asNode)], new Set(nodes), (n) => n.preDepends.length > 0);
  return waves.slice(0, -1).flat().map((n) => n.of);
}

function asNode<T extends Ordered>(of: T): Node & { of: T } {
  const relations = (field: string) => parseRelations(of.deb.fields[field] ?? "");
  return {
    name: of.deb.name, essential: of.deb.fields.Essential === "yes", of,
    preDepends: relations("Pre-Depends"), depends: relations("Depends"), provides: relations("Provides"),
  };
}

/** In the order of `nodes`. */
async function packagesOf(nodes: readonly { of: DebToInstall }[]): Promise<Package[]> {
  return Promise.all(nodes.map(async (n) => asPackage(await n.of.stored)));
}

/** In the first wave nothing could run before its files are there; later, preinsts come first, as always. */
async function installWave(w: Work, wave: readonly Package[], first: boolean, placed?: () => void): Promise<void> {
  // Scripts and scriptlets have been at work in the tree: here, and after each run of the sandbox.
  w.inside.forget();
  const ours = wave.filter((p) => p.stored.dpkgOnly === undefined);
  const place = () => span(w.emit, `place ${ours.length} packages`, "packages", async () => placeAll(w, ours));
  const lists = first ? await place() : undefined;
  const inPlace = Date.now();
  if (first) writePolicy(w);
  await span(w.emit, "preinst scripts", "packages", () => preinsts(w, ours));
  w.inside.forget();
  const listed = lists ?? (await place());
  // Before any script of theirs has run: in the first wave, preinsts run when all is in place, and what they touch is read.
  const now = first ? inPlace : Date.now();
  for (const pkg of listed.keys()) w.placedAt.set(pkg.id, now);
  recordAll(w, listed);
  await unpackByDpkg(w, wave.filter((p) => p.stored.dpkgOnly !== undefined));
  const configured = span(w.emit, `dpkg --configure (${wave.length})`, "packages", async () => void w.calls.push(...(await runDpkg(w, ["--configure", "--pending"], wave))));
  // Whoever looks through the files keeps this thread busy: dpkg begins first.
  if (placed) setImmediate(placed);
  await configured;
  w.inside.forget();
}

async function preinsts(w: Work, pkgs: readonly Package[]): Promise<void> {
  const having = pkgs.filter((p) => hasPreinst(p.stored.control));
  if (having.length === 0) return;
  await runPreinsts(w, having.map((pkg, i) => ({ pkg, staged: stageControl(w.inside, pkg, i) })));
}

/** The few packages that only dpkg itself can unpack; each .deb is lent to the image for that long. */
async function unpackByDpkg(w: Work, pkgs: readonly Package[]): Promise<void> {
  for (const pkg of pkgs) {
    w.emit({ type: "note", text: `${pkg.name} is unpacked by dpkg itself: ${pkg.stored.dpkgOnly}` });
    const lent = "/var/lib/dpkg/debcast.deb";
    w.inside.remove(lent);
    copyFileSync(pkg.stored.deb, w.inside.locate(lent)!);
    await runDpkg(w, ["--force-depends", "--unpack", lent], [pkg]);
    for (const e of pkg.stored.entries) if (e.type !== "directory") w.owners.claim(e.path, pkg);
    w.inside.forget();
    w.inside.remove(lent);
  }
}

const policy = "/usr/sbin/policy-rc.d";
const policyText = "#!/bin/sh\nexit 101\n";

/** Daemons must not be started by maintainer scripts. */
function writePolicy(w: Work): void {
  if (w.inside.read(policy) === undefined) w.inside.write(policy, policyText, 0o755);
}

/** Takes back what only the build needed. */
function removeOurs(w: Work, all: readonly Package[]): void {
  if (w.inside.read(policy)?.toString() === policyText) w.inside.remove(policy);
  // A file that a scriptlet made before its package came is kept; the package's own lies beside it now.
  for (const { path } of all.flatMap((p) => p.conffiles)) w.inside.remove(`${path}.dpkg-dist`);
}
