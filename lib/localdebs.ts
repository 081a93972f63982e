// The .debs that a project brings itself: `./x.deb` beside a scriptlet, and what buildDeb() makes of a directory.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { buildLocalDeb } from "./builddeb.ts";
import { parseParagraph } from "./deb/control.ts";
import { keptOf } from "./deb/kept.ts";
import { UserError } from "./errors.ts";
import type { LocalDebInfo } from "./plan/check.ts";
import type { Plan, PlannedDeb } from "./plan/plan.ts";
import type { Project } from "./project.ts";
import { storeDeb, type DebFile } from "./store/store.ts";

export interface LocalDeb {
  /** For the check of dependencies. */
  readonly info: LocalDebInfo;
  /** For the store. */
  readonly file: DebFile;
}

/** Makes or reads each, once however many scriptlets name it. */
export async function localDebs(o: { project: Project; plan: Plan; epoch: number }): Promise<LocalDeb[]> {
  const named = o.plan.scriptlets.flatMap((s) => s.debs).filter((d): d is Local => d.kind === "file" || d.kind === "build");
  const once = [...new Map(named.map((d) => [d.kind === "file" ? d.path : d.dir, d])).values()];
  return Promise.all(once.map((d) => (d.kind === "file" ? readLocal(d, o.project) : buildLocal(d, o))));
}

type Local = Extract<PlannedDeb, { kind: "file" | "build" }>;

async function readLocal(d: Extract<Local, { kind: "file" }>, project: Project): Promise<LocalDeb> {
  if (!existsSync(d.path)) throw new UserError("deb.no-file", `there is no \`${d.spec}\``, { where: d.where, hint: `copy the package to ${d.path}` });
  const sha256 = createHash("sha256").update(readFileSync(d.path)).digest("hex");
  const { control } = await storeDeb(d.path, sha256, join(project.downloads, "store"));
  return { info: infoOf(control.text, d), file: { path: d.path, sha256, label: basename(d.path) } };
}

async function buildLocal(d: Extract<Local, { kind: "build" }>, o: { project: Project; epoch: number }): Promise<LocalDeb> {
  const built = await buildLocalDeb({ dir: d.dir, control: d.control, epoch: o.epoch, to: join(o.project.downloads, "local") });
  return { info: infoOf(built.control, d), file: { path: built.path, sha256: built.sha256, label: basename(built.path) } };
}

function infoOf(control: string, d: Local): LocalDebInfo {
  const p = parseParagraph(control, `the control file of \`${d.spec}\``);
  const must = (field: string) => p.get(field) ?? fail(field, d);
  return { name: must("Package"), version: must("Version"), arch: must("Architecture"), fields: keptOf(p), spec: d.spec, where: d.where };
}

function fail(field: string, d: Local): never {
  throw new UserError("deb.control", `\`${d.spec}\` has no field \`${field}\` in its control file`, { where: d.where });
}
