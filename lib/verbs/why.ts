import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readRebuild } from "../build/rebuild.ts";
import { parseRelations, satisfies } from "../deb/dependency.ts";
import { UserError, exitStatus, nearest, type Where } from "../errors.ts";
import { formatTime, formatWhere } from "../format.ts";
import type { Lock, LockedDeb } from "../lock.ts";
import { load, lockFileOf } from "../prepare.ts";
import { epochOf, readLock } from "../lock.ts";
import { localDebs } from "../localdebs.ts";
import type { LocalDebInfo } from "../plan/check.ts";
import { readMade } from "../made.ts";
import type { Plan } from "../plan/plan.ts";
import { imageName } from "../project.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "why",
  usage: "why PKG|PATH|--rebuild",
  summary: "which scriptlet and line, or which package, put something into the image; why the last build did what it did",
  args: [0, 1],
  options: { rebuild: { type: "boolean", help: "what the last build made again, and why" } },
  run: async (c: Context): Promise<Outcome> => {
    const [what] = c.args;
    if (c.options.rebuild) return whyRebuilt(c);
    if (what === undefined) throw new UserError("usage", "`debcast why` wants a package or a path", { hint: "debcast why bluez\ndebcast why /etc/hostname\ndebcast why --rebuild", exit: exitStatus.usage });
    const { plan, conf } = await load(c);
    const lock = readLock(lockFileOf(conf));
    const ours = (await localDebs({ project: c.project, plan, epoch: lock ? epochOf(lock) : 0 })).map((l) => l.info);
    const reasons = what.startsWith("/") ? whyPath(c, what, { plan, ours, image: conf.name }) : whyPackage(what, { plan, ours, lock });
    return { text: reasons.map((r) => r.text).join("\n"), data: reasons };
  },
};

/** A line per link of the last build. */
function whyRebuilt(c: Context): Outcome {
  const name = imageName(c.conf);
  const links = readRebuild(c.project, name);
  if (!links) throw new UserError("why.no-build", `\`${name}\` has not been built`, { hint: "debcast image" });
  const width = Math.max(...links.map((l) => l.link.length));
  const rows = links.map((l) => {
    const why = l.reused ? "reused" : l.changed.length > 0 ? l.changed.join(", ") : l.follows ? `what it stands on changed: ${l.follows}` : "it was not there any more";
    return `${l.link.padEnd(width)}  ${formatTime(l.ms).padStart(7)}  ${why}`;
  });
  return { text: rows.join("\n"), data: links };
}

interface Planned {
  readonly plan: Plan;
  /** Packages of the project's own. */
  readonly ours: readonly LocalDebInfo[];
}

interface Reason {
  readonly text: string;
  readonly where?: Where;
  readonly package?: string;
}

/** The lines that name a package, and the packages that depend on it. */
function whyPackage(name: string, { plan, ours, lock }: Planned & { readonly lock: Lock | undefined }): Reason[] {
  const own = ours.find((o) => o.name === name);
  const deb = lock?.debs.find((d) => d.name === name);
  const said = own ? [own] : plan.scriptlets.flatMap((s) => s.debs).filter((d) => nameOf(d, lock) === name);
  if (said.length === 0 && !deb) {
    const near = nearest(name, [...(lock?.debs ?? []), ...ours].map((d) => d.name));
    const hint = name.includes("/") ? `a path begins with \`/\`: debcast why /${name.replace(/^[./]+/, "")}` : near && `did you mean \`debcast why ${near}\`?`;
    throw new UserError("why.unknown", `there is no package \`${name}\` in this image`, { hint });
  }
  const lines = said.map((d): Reason => ({ text: `${formatWhere(d.where)}: installDeb("${d.spec}")`, where: d.where }));
  if (said.length === 0) lines.push({ text: `${name} is in no image: debcast's own tools use it` });
  const users = deb && lock ? dependants(deb, lock, ours) : [];
  return [...lines, ...users.map((u) => ({ text: `${u.name} depends on it (${u.relation})`, package: u.name }))];
}

function nameOf(d: Plan["scriptlets"][number]["debs"][number], lock: Lock | undefined): string {
  if (d.kind === "name") return d.name;
  return lock?.patterns.get(d.spec) ?? d.spec;
}

function dependants(deb: LockedDeb, lock: Lock, ours: readonly LocalDebInfo[]): { name: string; relation: string }[] {
  return [...lock.debs.filter((d) => d.roles.includes("image")), ...ours]
    .flatMap((d) =>
      [d.fields["Pre-Depends"], d.fields.Depends]
        .flatMap((f) => (f ? parseRelations(f) : []))
        .filter((alternatives) => alternatives.some((a) => satisfies(a, deb, lock.arch)))
        .map((alternatives) => ({ name: d.name, relation: alternatives.map((a) => a.name).join(" | ") })),
    );
}

/** The package that ships a path, the scriptlet that made it, or the maintainer scripts that speak of it. */
function whyPath(c: Context, path: string, p: Planned & { readonly image: string }): Reason[] {
  const { image } = p;
  const root = join(c.project.imageDir, image);
  const info = join(root, "var/lib/dpkg/info");
  if (!existsSync(info)) throw new UserError("why.no-image", `\`${image}\` has not been built, so nobody put \`${path}\` there yet`, { hint: "debcast image" });
  const names = [path, path.replace(/^\/(bin|sbin|lib|lib64)\//, "/usr/$1/")];
  const made = readMade(c.project, image).filter((m) => names.includes(m.path));
  const shipped = readdirSync(info).filter((f) => f.endsWith(".list")).filter((f) => {
    const list = readFileSync(join(info, f), "utf8").split("\n");
    return names.some((n) => list.includes(n));
  }).map((f) => f.slice(0, -5));
  const reasons: Reason[] = [
    ...shipped.map((name) => ({ text: `package ${name} ships it${scriptletsOf(name, p)}`, package: name })),
    ...made.map((m) => ({ text: `${formatWhere(m.where)}: ${m.step}`, where: m.where })),
  ];
  return reasons.length > 0 ? reasons : mentioned(info, path, existsSync(join(root, path)), p);
}

function scriptletsOf(name: string, { plan, ours }: Planned): string {
  const bare = name.split(":")[0]!;
  const own = ours.find((o) => o.name === bare);
  const where = own ? [formatWhere(own.where)] : plan.scriptlets.flatMap((s) => s.debs).filter((d) => d.kind === "name" && d.name === bare).map((d) => formatWhere(d.where));
  return where.length > 0 ? `: ${where.join(", ")}` : "";
}

function mentioned(info: string, path: string, exists: boolean, p: Planned): Reason[] {
  const scripts = readdirSync(info).filter((f) => /\.(preinst|postinst)$/.test(f));
  const speaking = scripts.filter((f) => readFileSync(join(info, f), "utf8").includes(path));
  if (!exists && speaking.length === 0) throw new UserError("why.no-path", `there is no \`${path}\` in the image, and nothing speaks of it`);
  if (speaking.length === 0) return [{ text: `no package ships ${path}, no file step made it, and no maintainer script names it: a program that one of these or an inImage command ran wrote it` }];
  return speaking.map((f) => {
    const [pkg, script] = [f.replace(/\.\w+$/, ""), f.split(".").pop()];
    return { text: `${script} of package ${pkg} names it${scriptletsOf(pkg, p)}`, package: pkg };
  });
}
