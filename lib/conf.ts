// conf/NAME.ts: bundled, evaluated and checked.
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { engineRoot } from "./engine.ts";
import { UserError, nearest, throwAll } from "./errors.ts";
import { openBundles, type Bundle } from "./plan/bundle.ts";
import { checkImage } from "./plan/confcheck.ts";
import { evaluate, newContext } from "./plan/evaluate.ts";
import { confModule } from "./plan/module.ts";
import type { Conf } from "./plan/plan.ts";
import { asMistake, tracer } from "./plan/where.ts";
import type { Project } from "./project.ts";

/** The image definition of that name in conf/, or at that path. Throws all that is wrong with it. */
export async function loadConf(project: Project, nameOrPath: string): Promise<Conf> {
  const file = findConf(project, nameOrPath);
  const { bundle, exports } = await loadFromConf(project, file, confModule());
  const image = exports.default;
  if (typeof image !== "object" || image === null) {
    throw new UserError("conf.no-default", "the conf exports no image definition", { where: { file }, hint: "export default defineImage({ suite: \"trixie\", … });" });
  }
  const { conf, found } = checkImage(image, { conf: { file, inputs: bundle.inputs }, confDir: dirname(file) });
  throwAll(found);
  return file === shipped(nameOrPath) ? { ...conf, lockFile: join(project.confDir, `${nameOrPath}.lock`) } : conf;
}

/** The conf of that name that comes with debcast and is there in every project: the one of restore sticks. */
function shipped(name: string): string | undefined {
  return name === "stick" ? join(engineRoot, "conf", `${name}.ts`) : undefined;
}

/** What a file of conf/ exports; `debcast` is what it may import. */
export async function loadFromConf(project: Project, file: string, debcast: object): Promise<{ bundle: Bundle; exports: Record<string, unknown> }> {
  const bundles = openBundles({ root: project.dir, baseDirs: project.baseDirs, downloads: project.downloads });
  const bundle = (await bundles.get([file])).get(file)!;
  return { bundle, exports: evaluateIn(project, { file, bundle, debcast }) };
}

/** Names of the confs in a project. */
export function confNames(project: Project): string[] {
  if (!existsSync(project.confDir)) return [];
  return readdirSync(project.confDir).filter((f) => f.endsWith(".ts") && !f.endsWith(".d.ts") && f !== devicesFile).map((f) => basename(f, ".ts")).sort();
}

/** In conf/, but no image definition. */
export const devicesFile = "devices.ts";

function findConf(project: Project, nameOrPath: string): string {
  if (/\/|\.ts$/.test(nameOrPath)) {
    const file = [resolve(nameOrPath), resolve(project.dir, nameOrPath)].find((f) => existsSync(f));
    if (file) return file;
    throw new UserError("conf.absent", `there is no file \`${nameOrPath}\``);
  }
  const file = [join(project.confDir, `${nameOrPath}.ts`), shipped(nameOrPath)].find((f) => f !== undefined && existsSync(f));
  if (file !== undefined) return file;
  const names = confNames(project);
  const near = nearest(nameOrPath, names);
  throw new UserError("conf.absent", `there is no conf \`${nameOrPath}\` in ${project.confDir}`, {
    hint: near ? `did you mean \`-c ${near}\`?` : names.length > 0 ? `there are ${names.map((n) => `\`${n}\``).join(", ")}` : "`debcast init DIR` starts a project with one",
  });
}

function evaluateIn(project: Project, { file, bundle, debcast }: { file: string; bundle: Bundle; debcast: object }): Record<string, unknown> {
  const id = `debcast:conf/${basename(file, ".ts").replace(/[^\w.-]/g, "_")}`;
  const whereOf = tracer({ id, root: project.dir, map: bundle.map, file });
  try {
    return evaluate({ code: bundle.code, id, context: newContext(), debcast });
  } catch (e) {
    throw asMistake(e, whereOf);
  }
}
