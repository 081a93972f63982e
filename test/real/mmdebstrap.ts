// The oracle: mmdebstrap's tree of exactly the same .debs, from a local repository made of them.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { linkSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

export interface OracleDeb {
  /** Absolute path of the .deb. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
}

/** Why mmdebstrap cannot be asked here, or undefined. */
export function noMmdebstrap(): string | undefined {
  if (process.getuid?.() !== 0) return "mmdebstrap's tree keeps its owners only as root";
  if (spawnSync("mmdebstrap", ["--version"]).status !== 0) return "mmdebstrap is not installed";
  return spawnSync("getfattr", ["--version"]).status === 0 ? undefined : "attr is not installed";
}

/** Builds `target` (a directory) from `debs` alone; recommends off, every package named. */
export async function mmdebstrapTree(o: { debs: readonly OracleDeb[]; target: string; suite: string; epoch: number; work: string }): Promise<void> {
  const repository = join(o.work, "repository");
  writeRepository(repository, o);
  rmSync(o.target, { recursive: true, force: true });
  const ran = promisify(execFile)(
    "unshare",
    [
      // It mounts the host's /sys and /dev/shm in its tree: interrupted, those must not outlive it and be there when the tree is removed.
      "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
      // A machine's name, which some scripts write down, is the sandbox's in both.
      "--uts", "sh", "-c", 'hostname debcast && exec "$@"', "sh",
      "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", `--include=${o.debs.map((d) => d.name).join(",")}`,
      "--aptopt=Apt::Install-Recommends \"false\"", "--skip=check/signed-by", o.suite, o.target,
      `deb [trusted=yes] copy://${repository} ./`,
    ],
    { env: { ...process.env, SOURCE_DATE_EPOCH: String(o.epoch), TMPDIR: o.work }, maxBuffer: 64 << 20 },
  );
  ran.child.stdin?.end();
  await ran;
  rmSync(repository, { recursive: true });
}

/** Flat, with a Release: mmdebstrap looks for essential packages in the archive that has the suite's name. */
function writeRepository(dir: string, { debs, suite, epoch }: { debs: readonly OracleDeb[]; suite: string; epoch: number }): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const stanzas = debs.map((d) => {
    const name = basename(d.path);
    linkOrCopy(d.path, join(dir, name));
    const content = readFileSync(d.path);
    const control = execFileSync("dpkg-deb", ["-f", d.path]).toString().trimEnd();
    return `${control}\nFilename: ./${name}\nSize: ${content.length}\nSHA256: ${createHash("sha256").update(content).digest("hex")}\n`;
  });
  const packages = stanzas.join("\n");
  writeFileSync(join(dir, "Packages"), packages);
  const sum = createHash("sha256").update(packages).digest("hex");
  writeFileSync(join(dir, "Release"), `Origin: Debian\nLabel: Debian\nSuite: ${suite}\nCodename: ${suite}\nDate: ${new Date(epoch * 1000).toUTCString()}\nArchitectures: amd64\nComponents: main\nSHA256:\n ${sum} ${Buffer.byteLength(packages)} Packages\n`);
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
