// What was measured on, and with what.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

export function machineFacts({ engine, scratch }) {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    ramBytes: totalmem(),
    kernel: release(),
    distribution: osRelease(),
    fileSystem: said("findmnt", "-no", "FSTYPE", "-T", scratch) ?? "unknown file system",
    user: process.getuid?.() === 0 ? "root" : "normal",
    versions: {
      node: process.versions.node,
      debcast: engineVersion(engine),
      mmdebstrap: said("mmdebstrap", "--version"),
      debootstrap: said("debootstrap", "--version"),
      mkosi: said("mkosi", "--version"),
      dpkg: said("dpkg", "--version"),
      tar: said("tar", "--version"),
      xz: said("xz", "--version"),
      zstd: said("zstd", "--version"),
    },
  };
}

/** The version, and the commit when its sources are a checkout. */
function engineVersion(engine) {
  const { version } = JSON.parse(readFileSync(join(engine, "package.json"), "utf8"));
  const commit = said("git", "-C", engine, "describe", "--always", "--dirty");
  return commit === undefined ? version : `${version} (${commit})`;
}

/** The number out of the first line that `program` prints, or that line; undefined when it is not there. */
function said(program, ...args) {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) return undefined;
  const line = stdout.trim().split("\n")[0];
  return args[0] === "--version" ? (/\d+(\.\d+)+[^\s,]*|(?<= )\d+\S*$/.exec(line)?.[0] ?? line) : line;
}

function osRelease() {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
