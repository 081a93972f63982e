// systemd units of the image, switched by the image's own systemctl.
import { lstatSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError, nearest } from "../errors.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { resolveIn } from "./paths.ts";

const unitDirs = ["/etc/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system"];

/** Where a unit of the image's own lies. */
export function unitAt(name: string): string {
  return `/etc/systemd/system/${name}`;
}

/** Enables, disables or masks units; returns the links that came or went, those by which a unit had been enabled before, and whether directories went. */
export async function changeUnits(sandbox: Sandbox, root: string, o: { verb: "enable" | "disable" | "mask"; units: readonly string[] }): Promise<{ paths: string[]; directories: boolean }> {
  if (o.verb !== "mask") for (const unit of o.units) mustExist(root, unit);
  const before = linksIn(root);
  await inSandbox(sandbox, root, { argv: ["systemctl", "--quiet", o.verb, ...o.units], env: { SYSTEMD_OFFLINE: "1" }, what: `could not ${o.verb} ${o.units.join(", ")}` });
  const after = linksIn(root);
  const was = (path: string) => o.verb === "enable" && o.units.includes(basename(path));
  const paths = [...new Set([...before.links, ...after.links])].filter((p) => before.links.has(p) !== after.links.has(p) || was(p));
  return { paths, directories: [...before.dirs].some((dir) => !after.dirs.has(dir)) };
}

function mustExist(root: string, unit: string): void {
  // `getty@ttyS0.service` is an instance of `getty@.service`.
  const names = [unit, unit.replace(/@.+\./, "@.")];
  const known = unitDirs.flatMap((dir) => list(resolveIn(root, dir)));
  if (names.some((n) => known.includes(n))) return;
  const near = nearest(unit, known);
  throw new UserError("unit.absent", `the image has no unit \`${unit}\``, { hint: near ? `did you mean \`${near}\`?` : "the package that brings it must be installed, or unit() writes it" });
}

function linksIn(root: string): { links: Set<string>; dirs: Set<string> } {
  const found = { links: new Set<string>(), dirs: new Set<string>() };
  const into = (dir: string) => {
    for (const name of list(resolveIn(root, dir))) {
      const stat = lstatSync(join(resolveIn(root, dir), name));
      if (stat.isSymbolicLink()) found.links.add(`${dir}/${name}`);
      else if (stat.isDirectory()) {
        found.dirs.add(`${dir}/${name}`);
        into(`${dir}/${name}`);
      }
    }
  };
  into("/etc/systemd/system");
  return found;
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
