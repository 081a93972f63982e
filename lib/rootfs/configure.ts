// From nothing to a tree in which every package is installed: wave by wave, preinst scripts, files, dpkg's database, and then
// the image's own dpkg, which runs the real maintainer scripts.
//
// The initramfs is not made here, because what scriptlets do later must be in it (see scripts.ts). settle.ts must run
// `update-initramfs -c -k all` once all is in place.
import { copyFileSync } from "node:fs";
import { span, type Emit } from "../events.ts";
import { parseRelations } from "../deb/dependency.ts";
import type { StoredDeb } from "../store/store.ts";
import type { Sandbox } from "../sandbox.ts";
import { readDiversions, readNames, readOverrides } from "./diversions.ts";
import { appendStatus, beginDatabase, hasPreinst, shortenList, stageControl, writeInfo } from "./dpkg.ts";
import { dpkgExcludes, excludesFile, openExcludes } from "./excludes.ts";
import { openInside, type Inside } from "./inside.ts";
import { openOwners, type Owners } from "./owners.ts";
import { asPackage, type Package } from "./package.ts";
import { placePackage } from "./place.ts";
import { runDpkg, runPreinsts, setSelections } from "./scripts.ts";
import { activations, addInterests, directivesOf, readInterests, recordActivations } from "./triggers.ts";
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
}

interface Work extends InstallOptions {
  readonly inside: Inside;
  readonly owners: Owners;
  readonly dpkgVersion: string;
}

/** Installs all of `debs` into `root`. */
export async function installPackages(o: InstallOptions): Promise<void> {
  const dpkgVersion = o.debs.find((d) => d.deb.name === "dpkg")?.deb.version ?? "1.22";
  const w: Work = { ...o, inside: openInside(o.root), owners: openOwners(), dpkgVersion };
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
  const lists = first ? await place(w, ours) : undefined;
  if (first) writePolicy(w);
  await span(w.emit, "preinst scripts", "configure", () => preinsts(w, ours));
  w.inside.forget();
  await writeDatabase(w, lists ?? (await place(w, ours)));
  await unpackByDpkg(w, wave.filter((p) => p.stored.dpkgOnly !== undefined));
  await span(w.emit, `dpkg --configure (${wave.length})`, "configure", () => runDpkg(w, ["--configure", "--pending"], wave));
  w.inside.forget();
}

type Lists = Map<Package, string[]>;

async function place(w: Work, pkgs: readonly Package[]): Promise<Lists> {
  const placing = placingFor(w);
  return span(w.emit, `place ${pkgs.length} packages`, "configure", async () => new Map(pkgs.map((p) => [p, placePackage(placing, p)])));
}

function placingFor(w: Work) {
  const { inside, owners } = w;
  const [users, groups] = [readNames(inside, "/etc/passwd"), readNames(inside, "/etc/group")];
  return {
    inside, owners, users, groups, excluded: openExcludes(w.excludes),
    diversions: readDiversions(inside), overrides: readOverrides(inside, users, groups),
  };
}

async function preinsts(w: Work, pkgs: readonly Package[]): Promise<void> {
  const having = pkgs.filter(hasPreinst);
  if (having.length === 0) return;
  await runPreinsts(w, having.map((pkg, i) => ({ pkg, staged: stageControl(w.inside, pkg, i) })));
}

async function writeDatabase(w: Work, lists: Lists): Promise<void> {
  const { inside } = w;
  const pkgs = [...lists.keys()];
  const explicit = pkgs.flatMap((p) => directivesOf(p).filter((d) => d.kind === "activate").map((d) => d.trigger));
  const interests = readInterests(inside, new Set(explicit.filter((t) => !t.startsWith("/"))));
  const activated = activations({
    pkgs: pkgs.map((pkg) => ({ pkg, paths: pkg.stored.entries.map((e) => e.path) })), interests, diversions: readDiversions(inside),
  });
  for (const [pkg, list] of lists) writeInfo(inside, pkg, list);
  for (const [pkg, lost] of w.owners.takeLost()) shortenList(inside, pkg, lost);
  addInterests(inside, pkgs);
  appendStatus(inside, pkgs);
  recordActivations(inside, activated);
}

/** The few packages that only dpkg itself can unpack; each .deb is lent to the image for that long. */
async function unpackByDpkg(w: Work, pkgs: readonly Package[]): Promise<void> {
  for (const pkg of pkgs) {
    w.emit({ type: "note", text: `${pkg.name} is unpacked by dpkg itself: ${pkg.stored.dpkgOnly}` });
    const lent = "/var/lib/dpkg/debcast.deb";
    w.inside.remove(lent);
    copyFileSync(pkg.stored.deb, w.inside.locate(lent)!);
    await runDpkg(w, ["--force-depends", "--unpack", lent], [pkg]);
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
