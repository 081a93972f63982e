// Small trees with a package database, for tests of what looks at finished images.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { openProject, type Project } from "../../lib/project.ts";

/** A directory that goes when the test ends. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), "debcast-tree-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function emptyProject(): Project {
  const project = openProject(scratch(), {});
  for (const dir of [project.confDir, project.imageDir, project.outDir]) mkdirSync(dir);
  return project;
}

export interface SmallPackage {
  /** Without an architecture it is of amd64. */
  readonly name: string;
  readonly version: string;
  readonly arch?: string;
  readonly kilobytes?: number;
  /** Lines of its list, and what the files hold; directories have none. */
  readonly files: Readonly<Record<string, string | undefined>>;
}

/** Writes a tree with /bin as a link. A value of `files` is a content; `→ x` makes a link to x. */
export function plant(root: string, packages: readonly SmallPackage[], files: Readonly<Record<string, string>> = {}): string {
  for (const dir of ["usr/bin", "var/lib/dpkg/info"]) mkdirSync(join(root, dir), { recursive: true });
  symlinkSync("usr/bin", join(root, "bin"));
  const info = join(root, "var/lib/dpkg/info");
  for (const p of packages) {
    writeFileSync(join(info, `${p.arch === undefined ? p.name : `${p.name}:${p.arch}`}.list`), ["/.", ...Object.keys(p.files)].map((f) => `${f}\n`).join(""));
    for (const [path, content] of Object.entries(p.files)) put(root, path, content);
  }
  writeFileSync(join(root, "var/lib/dpkg/status"), packages.map(stanza).join("\n"));
  writeFileSync(join(root, "var/lib/dpkg/arch"), "amd64\n");
  for (const [path, content] of Object.entries(files)) put(root, path, content);
  return root;
}

function put(root: string, path: string, content: string | undefined): void {
  const at = join(root, path);
  if (content === undefined) return void mkdirSync(at, { recursive: true });
  mkdirSync(dirname(at), { recursive: true });
  if (content.startsWith("→ ")) symlinkSync(content.slice(2), at);
  else writeFileSync(at, content);
}

function stanza(p: SmallPackage): string {
  return `Package: ${p.name}\nStatus: install ok installed\nInstalled-Size: ${p.kilobytes ?? 0}\nArchitecture: ${p.arch ?? "amd64"}\nVersion: ${p.version}\nDescription: words\n Version: not this\n`;
}
