// `push --watch`: build and push at every save, over connections that stay open.
import { join, relative } from "node:path";
import { Mistakes, UserError } from "../errors.ts";
import { formatTime } from "../format.ts";
import { imageFiles, readState } from "../output/image.ts";
import { imageName } from "../project.ts";
import { dial, hangUp, isAlive, type Line } from "../push/connection.ts";
import type { Device } from "../push/devices.ts";
import type { Result } from "../push/many.ts";
import { nextChange, photograph, type Photo } from "../push/watched.ts";
import { renderErrors } from "../report.ts";
import { isBelow } from "../rootfs/paths.ts";
import { pushAll, sameRemarks } from "./push.ts";
import type { Pushed } from "./pushone.ts";
import type { Context } from "./verb.ts";

/** Goes on until it is interrupted. */
export async function watch(c: Context, given: { devices: readonly Device[]; jobs: number }): Promise<never> {
  if (c.json || c.options["dry-run"] === true) throw new UserError("usage", "`--watch` goes with neither `--json` nor `--dry-run`", { exit: 2 });
  // What is said once need not be said at every save.
  const o = { ...given, told: new Set<string>() };
  const lines = new Map<string, Line>();
  const lineOf = (device: Device): Line => {
    const line = lines.get(device.name);
    if (line && isAlive(line)) return line;
    if (line) void hangUp(line);
    const fresh = dial(device);
    lines.set(device.name, fresh);
    return fresh;
  };
  const confs = [...new Set(o.devices.map((d) => d.image ?? c.conf))];
  // What the last build was made from is known after it.
  let roots = watchedRoots(c, confs);
  let photo = photograph(roots);
  await cycle(c, { ...o, title: "" }, lineOf);
  const refresh = (before: Photo) => {
    const old = roots;
    roots = new Set([...old, ...watchedRoots(c, confs)]);
    photo = afterBuild(before, photograph(roots), old);
  };
  refresh(photo);
  const shown = [c.project.baseDirs[0]!, c.project.confDir].map((dir) => `${relative(process.cwd(), dir)}/`);
  c.emit({ type: "note", text: `watching ${shown.join(" and ")}` });
  for (;;) {
    const change = await nextChange(roots, photo);
    await cycle(c, { ...o, title: `${new Date().toTimeString().slice(0, 8)} ${named(change.paths)}: ` }, lineOf);
    refresh(change.photo);
  }
}

/** One build and push. Whatever fails is told, and the next save tries again. */
async function cycle(c: Context, o: { devices: readonly Device[]; jobs: number; told: Set<string>; title: string }, lineOf: (device: Device) => Line): Promise<void> {
  const { told } = o;
  const start = performance.now();
  try {
    const push = (devices: readonly Device[]) => pushAll(c, devices, { jobs: o.jobs, lineOf, done: async () => {}, title: o.title });
    const first = await push(o.devices);
    // A connection that went while nobody used it is noticed only now.
    const again = first.filter(wasLost).map((r) => r.device);
    const results = [...first.filter((r) => !wasLost(r)), ...(again.length > 0 ? await push(again) : [])];
    for (const r of results) if ("error" in r && hintOf(r.error) !== "") c.emit({ type: "note", text: `  ${hintOf(r.error)}` });
    for (const remark of sameRemarks(results).filter((text) => !told.has(text))) {
      told.add(remark);
      c.emit({ type: "note", text: remark });
    }
    if (results.length > 1) c.emit({ type: "note", text: `${results.filter((r) => !("error" in r)).length} of ${results.length} in ${formatTime(performance.now() - start)}` });
  } catch (e) {
    if (!(e instanceof UserError || e instanceof Mistakes)) throw e;
    // What is wrong with the build it has said itself.
    c.emit({ type: "note", text: e instanceof UserError && e.code === "push.build" ? "nothing was pushed; the next save tries again" : renderErrors(e) });
  }
}

function wasLost(r: Result<Pushed>): boolean {
  return "error" in r && r.error.code === "ssh.lost";
}

function hintOf(e: UserError): string {
  return [e.details, e.hint && `hint: ${e.hint}`].filter((t) => t !== undefined && t !== "").join("\n").replaceAll("\n", "\n  ");
}

/** base/, conf/ and lib/ of the project, secrets, and whatever else the last build was made from. */
function watchedRoots({ project }: Context, confs: readonly string[]): Set<string> {
  const made = confs.flatMap((conf) => Object.keys(readState(imageFiles(project, imageName(conf)))?.sources ?? {})).filter((path) => path.startsWith("/"));
  const roots = [...project.baseDirs, project.confDir, join(project.dir, "lib"), project.secretsDir];
  return new Set([...roots, ...made.filter((path) => !roots.some((root) => path.startsWith(`${root}/`)))]);
}

/** `before` the build, with what it has brought to light: the lock that it wrote, and what is watched only now. */
function afterBuild(before: Photo, after: Photo, roots: ReadonlySet<string>): Photo {
  const isLock = (path: string) => path.endsWith(".lock");
  const isNew = (path: string) => ![...roots].some((root) => isBelow(path, root));
  return new Map([...[...before].filter(([path]) => !isLock(path)), ...[...after].filter(([path]) => isLock(path) || isNew(path))]);
}

function named(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).map((p) => relative(process.cwd(), p));
  return paths.length > 3 ? `${shown.join(", ")} and ${paths.length - 3} more` : shown.join(", ");
}
