import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { formatCount } from "../format.ts";
import { suggestDeps, type Suggested } from "../plan/deps.ts";
import { archivesOf, load, lockFileOf } from "../prepare.ts";
import { readLock } from "../lock.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "deps",
  usage: "deps PKG… [--write FILE]",
  summary: "print the need() and installDeb() lines that packages want",
  args: [1, Infinity],
  options: { write: { type: "string", value: "FILE", help: "put the lines into this scriptlet: base/NAME.ts, or NAME; it is made if absent" } },
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit);
    const { conf, plan } = await load(c);
    const archives = await archivesOf(c, conf, readLock(lockFileOf(conf))?.archives);
    const target = c.options.write as string | undefined;
    const file = target === undefined ? undefined : scriptletFile(c, target);
    const s = await suggestDeps({ packages: c.args, plan, project: c.project, archives, ...(file && { scriptlet: file.name }) });
    if (file) write(file.path, s, c.args);
    return {
      text: file ? `${relative(process.cwd(), file.path)}: needs ${formatCount(s.needs.length, "scriptlet")}, installs ${formatCount(s.debs.length, "package")}` : s.lines.join("\n"),
      data: { ...s, file: file?.path },
      next: file ? [`add "${file.name}" to the scriptlets of conf/${conf.name}.ts, then debcast check`] : [],
    };
  },
};

function scriptletFile(c: Context, given: string): { name: string; path: string } {
  const name = /([^/]+?)(?:\.ts)?$/.exec(given)![1]!;
  if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name)) throw new UserError("deps.name", `\`${given}\` is no name for a scriptlet`, { hint: "debcast deps PKG --write base/NAME.ts" });
  const path = join(c.project.dir, "base", `${name}.ts`);
  const meant = [process.cwd(), c.project.dir].map((dir) => resolve(dir, given.endsWith(".ts") ? given : `${given}.ts`));
  if (given.includes("/") && !meant.includes(path)) throw new UserError("deps.outside", `\`${given}\` does not lie in the project's base/, where scriptlets are looked for`, { hint: `debcast deps PKG --write ${name}` });
  return { name, path };
}

/** Adds what the file does not say yet: imports first, the lines after the last need() or installDeb(). */
function write(path: string, s: Suggested, packages: readonly string[]): void {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `// ${packages.join(", ")}: say here what for.\nimport { ${s.imports.join(", ")} } from "debcast";\n\n${s.lines.join("\n")}\n`);
    return;
  }
  const lines = withImports(readFileSync(path, "utf8").split("\n"), s.imports);
  const isPlanned = (line: string) => /^(need|installDeb|import)\b/.test(line);
  const at = lines.findLastIndex(isPlanned) + 1;
  lines.splice(at, 0, ...s.lines.filter((line) => !lines.includes(line)));
  writeFileSync(path, lines.join("\n"));
}

function withImports(lines: readonly string[], wanted: readonly string[]): string[] {
  const at = lines.findIndex((l) => /^import \{.*\} from "debcast";/.test(l));
  if (at === -1) return [`import { ${wanted.join(", ")} } from "debcast";`, ...lines];
  const have = /\{(.*)\}/.exec(lines[at]!)![1]!.split(",").map((n) => n.trim()).filter(Boolean);
  const all = [...new Set([...wanted, ...have])];
  return lines.with(at, `import { ${all.join(", ")} } from "debcast";`);
}
