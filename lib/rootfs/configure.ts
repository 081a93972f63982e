// From nothing to a tree in which every package is installed: wave by wave, preinst scripts, files, dpkg's database, and then
// the image's own dpkg, which runs the real maintainer scripts.
//
// The initramfs is not made here, because what scriptlets do later must be in it (see scripts.ts). settle.ts must run
// `update-initramfs -c -k all` once all is in place.
import { copyFileSync } from "node:fs";
import type { Where } from "../errors.ts";
import { span, type Emit } from "../events.ts";
import { parseRelations } from "../deb/dependency.ts";
import type { StoredDeb } from "../store/store.ts";
import type { Sandbox } from "../sandbox.ts";
import { beginDatabase, hasPreinst, stageControl } from "./dpkg.ts";
import { dpkgExcludes, excludesFile, openExcludes, type Excluder } from "./excludes.ts";
import { openInside, type Inside } from "./inside.ts";
import { openOwners, type Owners } from "./owners.ts";
import { asPackage, type Package } from "./package.ts";
import { runDpkg, runPreinsts, setSelections } from "./scripts.ts";
import { placeAll, recordAll } from "./unpack.ts";
import { essentialWave, laterWaves, type Node } from "./waves.ts";

export interface DebToInstall {
  /** As in the lock: enough to order the first wave before anything is unpacked. */
  readonly deb: { readonly name: string; readonly version: string; readonly arch: string; readonly fields: Readonly<Record<string, string | undefined>> };
  /** May still be on its way. */
  readonly stored: StoredDeb | Promise<StoredDeb>;
}

export interface InstallOptions {
  /** An empty directory, which becomes the tree. */
  readonly root: string;
  readonly arch?: string;
  readonly debs: readonly DebToInstall[];
  readonly excludes: readonly string[];
  /** Lines for debconf-set-selections. */
  readonly preseed: readonly string[];
  readonly sandbox: Sandbox;
  readonly epoch: number;
  readonly emit: Emit;
  /** What the scripts of a package said. */
  readonly log: (pkg: string, text: string) => void;
  /** Called once, when the essential packages are configured and nothing else is unpacked yet. */
  readonly before: () => Promise<void>;
  /** The line of a scriptlet that asked for a package, for the errors. */
  readonly whereOf?: (pkg: string) => Where | undefined;
}

interface Work extends InstallOptions {
  readonly inside: Inside;
  readonly owners: Owners;
  readonly excluded: Excluder;
  readonly dpkgVersion: string;
}

/** Installs all of `debs` into `root`. */
export async function installPackages(o: InstallOptions): Promise<void> {
  const dpkgVersion = o.debs.find((d) => d.deb.name === "dpkg")?.deb.version ?? "1.22";
  const w: Work = { ...o, inside: openInside(o.root), owners: openOwners(), excluded: openExcludes(o.excludes), dpkgVersion };
  const nodes = o.debs.map(asNode);
  beginDatabase(w.inside, o.arch ?? "amd64");
  const first = await packagesOf(essentialWave(nodes));
  await installWave(w, first, true);
  if (o.excludes.length > 0) w.inside.write(excludesFile, dpkgExcludes(o.excludes));
  if (o.preseed.length > 0) await setSelections(w, o.preseed);
  await o.before();
  const all = await packagesOf(nodes, first);
  for (const wave of laterWaves(all, new Set(first), hasPreinst)) await installWave(w, wave, false);
  removeOurs(w, all);
}

function asNode({ deb, stored }: DebToInstall): Node & { stored: DebToInstall["stored"] } {
  const relations = (field: string) => parseRelations(deb.fields[field] ?? "");
  return {
    name: deb.name, essential: deb.fields.Essential === "yes", stored,
    preDepends: relations("Pre-Depends"), depends: relations("Depends"), provides: relations("Provides"),
  };
}

/** In the order of `nodes`; those that are known already are taken over. */
async function packagesOf(nodes: readonly { stored: DebToInstall["stored"] }[], known: readonly Package[] = []): Promise<Package[]> {
  const byStored = new Map(known.map((p) => [p.stored, p]));
  return Promise.all(nodes.map(async (n) => {
    const stored = await n.stored;
    return byStored.get(stored) ?? asPackage(stored);
  }));
}

/** In the first wave nothing could run before its files are there; later, preinsts come first, as always. */
async function installWave(w: Work, wave: readonly Package[], first: boolean): Promise<void> {
  // Scripts and scriptlets have been at work in the tree: here, and after each run of the sandbox.
  w.inside.forget();
  const ours = wave.filter((p) => p.stored.dpkgOnly === undefined);
  const place = () => span(w.emit, `place ${ours.length} packages`, "configure", async () => placeAll(w, ours));
  const lists = first ? await place() : undefined;
  if (first) writePolicy(w);
  await span(w.emit, "preinst scripts", "configure", () => preinsts(w, ours));
  w.inside.forget();
  recordAll(w, lists ?? (await place()));
  await unpackByDpkg(w, wave.filter((p) => p.stored.dpkgOnly !== undefined));
  await span(w.emit, `dpkg --configure (${wave.length})`, "configure", () => runDpkg(w, ["--configure", "--pending"], wave));
  w.inside.forget();
}

async function preinsts(w: Work, pkgs: readonly Package[]): Promise<void> {
  const having = pkgs.filter(hasPreinst);
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
