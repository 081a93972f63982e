// A project of one's own: few files, each line explained, that make an image as they are.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { engineRoot } from "./engine.ts";
import { UserError } from "./errors.ts";
import { writeGenerated } from "./plan/names.ts";
import { openProject } from "./project.ts";

/** The files that a new project gets, by path. `.gitignore` has another name here so that git does not take it for its own. */
const files: Readonly<Record<string, string>> = {
  "conf/base.ts": "base.ts",
  "base/hello.ts": "hello.ts",
  "tsconfig.json": "tsconfig.json",
  ".gitignore": "gitignore",
  "README.md": "README.md",
};

/** Writes a small project into `dir`, which may exist but must hold none of its files. Returns their paths. */
export async function initProject(dir: string): Promise<readonly string[]> {
  const paths = Object.keys(files);
  const there = paths.filter((p) => existsSync(join(dir, p)));
  if (there.length > 0) {
    throw new UserError("init.there", `\`${dir}\` has ${there.map((p) => `\`${p}\``).join(", ")} already, and init overwrites nothing`, {
      hint: existsSync(join(dir, "conf/base.ts")) ? `it looks like a project: debcast image -C ${dir}` : "take an empty directory",
    });
  }
  for (const [path, template] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), readFileSync(join(engineRoot, "templates/init", template)));
  }
  await writeGenerated(openProject(dir));
  return paths;
}
