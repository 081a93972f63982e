// Our tree and mmdebstrap's of the same .debs, and what of their differences is expected.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { engineRoot } from "../../lib/engine.ts";
import { epochOf, readLock } from "../../lib/lock.ts";
import { debcastOk, project, sharedDownloads } from "./debcast.ts";
import { mmdebstrapTree } from "./mmdebstrap.ts";
import { randomPackages } from "./random.ts";
import { compareTrees, readTree } from "./treediff.ts";

export interface Difference {
  readonly path: string;
  readonly type: string;
  readonly what: string;
}

/** A path, or the beginning of what differs there, that is expected to differ; and why. */
interface Expected {
  readonly path: RegExp;
  readonly what?: RegExp;
  readonly why: string;
}

/** The whole of what we do differently from mmdebstrap. */
export const expected: readonly Expected[] = [
  { path: /^\/(dev|proc|sys|run|tmp)\//, why: "mmdebstrap makes device nodes and leaves what the build put into /run; a device gets both from the kernel and systemd" },
  { path: /^\/etc\/(resolv\.conf|\.resolv\.conf\.systemd-resolved\.bak|hostname|fstab|machine-id)$/, why: "mmdebstrap copies the builder's; ours come from scriptlets, or are empty" },
  { path: /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$/, why: "backups, which we remove" },
  { path: /^\/etc\/apt\/(sources\.list|sources\.list\.d\/.*|apt\.conf\.d\/99mmdebstrap)$/, why: "mmdebstrap writes the repository it was given; ours come from the conf" },
  { path: /^\/var\/lib\/apt\/(extended_states|lists\/.*)$|^\/var\/cache\/apt\/.*/, why: "apt was not asked to install, so it noted nothing" },
  { path: /^\/var\/log\/.*/, why: "logs of the build, which we remove" },
  { path: /^\/var\/cache\/ldconfig\/aux-cache$/, why: "inode numbers" },
  { path: /^\/var\/lib\/dpkg\/(lock|lock-frontend|triggers\/Lock|.*-old|available|cmethopt|methlock)$/, why: "locks and backups of dpkg" },
  { path: /^\/var\/cache\/debconf\/.*-old$/, why: "backups of debconf" },
  { path: /^\/var\/cache\/fontconfig\//, why: "under a fixed date fontconfig throws its caches away again, because directories are younger than it until times are clamped; ours are made after that" },
  { path: /^\/etc\/ssh\/ssh_host_.*|^\/etc\/(pacemaker|corosync)\/authkey$|^\/var\/lib\/systemd\/(random-seed|credential\.secret)$|^\/var\/lib\/dbus\/machine-id$/, why: "each device has its own" },
  { path: /^\/etc\/systemd\/system\/sshd-keygen\.service\.d(\/.*)?$/, why: "ours: host keys are made whenever they are missing" },
  { path: /\/__pycache__\/.*\.pyc$/, what: /^content/, why: "with SOURCE_DATE_EPOCH python notes a hash of the source, without (mmdebstrap gives it to no script) its time" },
  { path: /^\/boot\/initrd\.img-/, what: /^content/, why: "made at the end, from the same files; the order inside follows inode numbers" },
];

/** Brings what is only in another order, or holds a time of building, to one form. */
export function normalise(path: string, content: Buffer): Buffer {
  const text = () => content.toString("latin1");
  const sorted = (split: string) => Buffer.from(text().split(split).sort().join(split), "latin1");
  if (/^\/var\/lib\/dpkg\/(status|triggers\/File)$/.test(path)) return sorted(path.endsWith("status") ? "\n\n" : "\n");
  if (/^\/etc\/(shells|subuid|subgid)$/.test(path)) return sorted("\n");
  if (/^\/etc\/(passwd|group)$/.test(path)) return Buffer.from(text().split("\n").map((l) => l.replace(/^([^:]*:[^:]*):\d+(:\d+)?/, "$1")).sort().join("\n"));
  if (/^\/etc\/(shadow|gshadow)$/.test(path)) return Buffer.from(text().split("\n").map((l) => l.replace(/^([^:]*:[^:]*):\d+:/, "$1::")).sort().join("\n"));
  if (/^\/var\/cache\/debconf\/.*\.dat$/.test(path)) return sorted("\n\n");
  return content;
}

/** Builds project `dir`, conf `set`, and mmdebstrap's tree of the same .debs; differences that no line of `expected` explains. */
export async function unexpectedDifferences(dir: string, work: string): Promise<Difference[]> {
  await debcastOk(["image", "-C", dir, "-c", "set"]);
  const lock = readLock(join(dir, "conf/set.lock"))!;
  const epoch = epochOf(lock);
  const debs = lock.debs.filter((d) => d.roles.includes("image")).map((d) => ({
    name: d.name, version: d.version, path: join(sharedDownloads, `deb.${lock.suite}.${lock.arch}`, basename(d.filename)),
  }));
  mkdirSync(work, { recursive: true });
  const theirs = join(work, "mmdebstrap");
  await mmdebstrapTree({ debs, target: theirs, suite: lock.suite, epoch, work });
  const options = { epoch, normalise };
  const found = compareTrees(readTree(join(dir, "image/set"), options), readTree(theirs, options), ["debcast", "mmdebstrap"]);
  return found.filter((d) => !isDirectoryTime(d, epoch)).filter((d) => !expected.some((e) => e.path.test(d.path) && (e.what?.test(d.what) ?? true)));
}

/** The same for the packages of a conf that ships. */
export async function unexpectedOfConf(parent: string, name: string): Promise<Difference[]> {
  const lock = join(engineRoot, `conf/${name}.lock`);
  if (!existsSync(lock)) await debcastOk(["lock", "-c", name]);
  using p = project(setProject(packagesOf(lock)), { parent });
  cpSync(lock, join(p.dir, "conf/set.lock"));
  return await unexpectedDifferences(p.dir, join(p.dir, "work"));
}

/** The same for a random set of packages and all that they depend on. */
export async function unexpectedOfRandom(parent: string, seed: number): Promise<Difference[]> {
  using p = project(setProject([]), { parent });
  const packages = await randomPackages(p.dir, seed);
  process.stderr.write(`random packages (seed ${seed}): ${packages.roots.join(" ")}: ${packages.all.length} in all\n`);
  for (const [path, text] of Object.entries(setProject(packages.all))) {
    mkdirSync(dirname(join(p.dir, path)), { recursive: true });
    writeFileSync(join(p.dir, path), text);
  }
  return await unexpectedDifferences(p.dir, join(p.dir, "work"));
}

/**
 * Directories that hold only directories: mmdebstrap unpacks the essential packages with tar, which gives these the package's
 * time back; dpkg, and so we, leave the time at which the last thing was made in them, which is clamped. And the other way
 * round for directories into which mmdebstrap itself writes.
 */
function isDirectoryTime(d: Difference, epoch: number): boolean {
  return d.type === "directory" && d.what.startsWith("mtime:") && d.what.includes(` ${epoch}`);
}

/** A project whose image is exactly these packages, with no step of any scriptlet. */
export function setProject(packages: readonly string[], suite = "trixie"): Record<string, string> {
  const names = packages.map((p) => JSON.stringify(p)).join(", ");
  return {
    "base/set.ts": `import { installDeb } from "debcast";\ninstallDeb(${names});\n`,
    "conf/set.ts": `import { defineImage } from "debcast";\nexport default defineImage({ suite: "${suite}", arch: "amd64", hostname: "set", components: ["main", "non-free-firmware"], scriptlets: ["set"] });\n`,
  };
}

/** Names in the image of a lock. */
export function packagesOf(lockFile: string): string[] {
  return [...readFileSync(lockFile, "utf8").matchAll(/^Package: (.*)$/gm)].length === 0 ? [] : readLock(lockFile)!.debs.filter((d) => d.roles.includes("image")).map((d) => d.name);
}
