// The directories of one project, in one place. `-C DIR` makes a project of DIR; the built-in base/ lies below it.
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { engineRoot } from "./engine.ts";
import { UserError } from "./errors.ts";

export interface Project {
  /** Absolute. */
  readonly dir: string;
  /** Where scriptlets are looked for, first match wins. */
  readonly baseDirs: readonly string[];
  readonly confDir: string;
  /** Caches: what came from outside or can be made again. */
  readonly downloads: string;
  readonly imageDir: string;
  readonly outDir: string;
  readonly secretsDir: string;
  /** Generated for editors and the type check. */
  readonly generatedDir: string;
}

/**
 * The project in `dir`. DEBCAST_DOWNLOADS names another downloads/, which lets several projects share one.
 */
export function openProject(dir: string, env: NodeJS.ProcessEnv = process.env): Project {
  const root = resolve(dir);
  if (!existsSync(root)) throw new UserError("project.absent", `there is no directory \`${dir}\``, { hint: `debcast init ${dir}` });
  const bases = [join(root, "base"), join(engineRoot, "base")];
  return {
    dir: root,
    baseDirs: root === engineRoot ? bases.slice(0, 1) : bases,
    confDir: join(root, "conf"),
    downloads: env.DEBCAST_DOWNLOADS ? resolve(env.DEBCAST_DOWNLOADS) : join(root, "downloads"),
    imageDir: join(root, "image"),
    outDir: join(root, "out"),
    secretsDir: join(root, "secrets"),
    generatedDir: join(root, ".debcast"),
  };
}

/** Locked while something is built in the project. */
export function lockFileOf(project: Project): string {
  return join(project.generatedDir, "building");
}

/** What the image of `-c CONF` is called. */
export function imageName(conf: string): string {
  return basename(conf, ".ts");
}
