// Projects for tests of loading: a directory with the given files and nothing of the engine's own base/.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { loadConf } from "../../../lib/conf.ts";
import { loadPlan } from "../../../lib/plan/load.ts";
import type { Plan } from "../../../lib/plan/plan.ts";
import { openProject, type Project } from "../../../lib/project.ts";
import { renderErrors } from "../../../lib/report.ts";

export interface TestProject extends Project {
  write(path: string, text: string | Uint8Array): void;
}

/** A conf that asks for `scriptlets`; `more` are further lines. */
export const confOf = (scriptlets: string, more = "") => `import { defineImage, secret } from "debcast";
export default defineImage({
  suite: "trixie",
  arch: "amd64",
  hostname: "box",
  scriptlets: [${scriptlets}],
  ${more}
});
`;

/** `files` by path; conf/base.ts, base/minbase.ts and base/user.ts are there without being given. */
export function project(files: Record<string, string> = {}): TestProject {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "debcast-load-")));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const write = (path: string, text: string | Uint8Array) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const all = { "conf/base.ts": confOf('"a"'), "base/minbase.ts": "export {};\n", "base/user.ts": "export {};\n", ...files };
  for (const [path, text] of Object.entries(all)) write(path, text);
  return { ...openProject(dir, {}), baseDirs: [join(dir, "base")], write };
}

export async function load(p: Project, conf = "base"): Promise<Plan> {
  return loadPlan(p, await loadConf(p, conf));
}

/** What a user reads when this fails, with the project's directory as `.`. */
export async function messageOf(p: Project, work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (e) {
    const text = renderErrors(e).replaceAll(`${p.dir}/`, "").replaceAll(p.dir, ".");
    return text.replace(/(?:\.\.\/)+[\w./-]*?debcast-load-\w+\//g, "");
  }
  throw new Error("nothing was thrown");
}

/** The message of a plan whose one scriptlet `a` has this source. */
export function mistakeIn(source: string, files: Record<string, string> = {}): Promise<string> {
  const p = project({ "base/a.ts": source, ...files });
  return messageOf(p, () => load(p));
}
