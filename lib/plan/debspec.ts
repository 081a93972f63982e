// One argument of installDeb().
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError, type Where } from "../errors.ts";
import type { PlannedDeb } from "./plan.ts";
import { kindOf, localDebOf } from "./values.ts";

const exact = /^([a-z0-9][a-z0-9+.-]+)(?::([a-z0-9-]+))?(?:=([A-Za-z0-9][A-Za-z0-9.+~:-]*))?$/;
const pattern = /^[a-z0-9+.*?[\]-]+$/;

export function parseDeb(deb: unknown, { folder, where }: { folder: string; where: Where }): PlannedDeb {
  const built = localDebOf(deb);
  if (built) return { kind: "build", spec: built.control.name, dir: built.dir, control: built.control, where };
  if (typeof deb !== "string") throw new UserError("deb.spec", `installDeb() takes names of packages and what buildDeb() returned, and got ${kindOf(deb)}`);
  if (deb.startsWith("./")) return localFile(deb, folder, where);
  const m = exact.exec(deb);
  if (m && !deb.endsWith(".deb")) return { kind: "name", spec: deb, name: m[1]!, ...(m[2] && { arch: m[2] }), ...(m[3] && { version: m[3] }), where };
  if (/[*?[]/.test(deb) && pattern.test(deb)) return { kind: "pattern", spec: deb, where };
  throw new UserError("deb.spec", `\`${deb}\` is no name of a package`, { hint: hintFor(deb) });
}

function localFile(spec: string, folder: string, where: Where): PlannedDeb {
  const path = join(folder, spec);
  if (!path.endsWith(".deb")) throw new UserError("deb.file", `\`${spec}\` does not end in \`.deb\``);
  if (!existsSync(path)) throw new UserError("deb.file", `there is no file \`${spec}\` in the scriptlet's folder`, { hint: `put it at ${path}` });
  return { kind: "file", spec, path, where };
}

function hintFor(deb: string): string {
  if (deb.endsWith(".deb")) return `for a file beside the scriptlet: installDeb("./${deb}");`;
  const words = deb.trim().split(/[\s,]+/);
  if (words.length > 1 && words.every((w) => exact.test(w))) return `installDeb(${words.map((w) => `"${w}"`).join(", ")});`;
  const lower = deb.trim().toLowerCase();
  return exact.test(lower) ? `installDeb("${lower}");` : "`name`, `name:arch`, `name=version`, a pattern such as `linux-image-*`, or `./x.deb`";
}
