// dpkg's database, written as dpkg leaves it when it has unpacked a package and not yet configured it.
import { mkdirSync, utimesSync } from "node:fs";
import { UserError } from "../errors.ts";
import type { Control } from "../store/store.ts";
import type { Inside } from "./inside.ts";
import { md5sumsOf } from "./md5sums.ts";
import { controlFile, type Package } from "./package.ts";

const admin = "/var/lib/dpkg";

/** The empty database: what there must be before the first maintainer script runs. */
export function beginDatabase(inside: Inside, arch: string): void {
  for (const dir of ["/var", "/var/lib", admin, `${admin}/info`, `${admin}/triggers`, `${admin}/updates`, `${admin}/alternatives`, `${admin}/parts`]) {
    makeDirectory(inside, dir);
  }
  for (const file of ["status", "diversions", "triggers/File", "triggers/Unincorp"]) keep(inside, `${admin}/${file}`);
  inside.write(`${admin}/info/format`, "1\n");
  inside.write(`${admin}/arch`, `${arch}\n`);
}

/** Everything but `control` of the control archives, under the names that dpkg gives them, and the lists. */
export function writeInfo(inside: Inside, pkg: Package, list: readonly string[]): void {
  const base = `${admin}/info/${pkg.id}`;
  for (const f of pkg.stored.control.files) {
    const path = `${base}.${f.name}`;
    inside.write(path, f.content, f.mode);
    utimesSync(inside.locate(path)!, f.mtime, f.mtime);
  }
  if (!controlFile(pkg, "md5sums")) inside.write(`${base}.md5sums`, md5sumsOf(pkg.stored));
  inside.write(`${base}.list`, list.map((l) => `${l}\n`).join(""));
}

/** Takes `paths` out of the .list of a package: another one has replaced them. */
export function shortenList(inside: Inside, pkg: Package, paths: ReadonlySet<string>): void {
  const file = `${admin}/info/${pkg.id}.list`;
  const lines = (inside.read(file)?.toString() ?? "").split("\n");
  inside.write(file, lines.filter((l) => !paths.has(l)).join("\n"));
}

/** Adds `pkgs` as unpacked. dpkg itself puts fields and stanzas into its own order when it next writes the file. */
export function appendStatus(inside: Inside, pkgs: readonly Package[]): void {
  const before = inside.read(`${admin}/status`)?.toString("latin1") ?? "";
  const stanzas = pkgs.map((p) => `${unpackedStanza(p)}\n\n`).join("");
  const gap = before === "" || before.endsWith("\n\n") ? "" : "\n";
  inside.write(`${admin}/status`, Buffer.from(before + gap + Buffer.from(stanzas).toString("latin1"), "latin1"));
}

/** The control paragraph, verbatim but for what only the database may say. */
export function unpackedStanza(pkg: Package): string {
  const body = fieldsOf(pkg.stored.control.text).filter((f) => !/^(Package|Status|Conffiles|Config-Version|Triggers-Pending|Triggers-Awaited):/i.test(f));
  const conffiles = pkg.conffiles.map((c) => `\n ${c.path} newconffile${c.flag ? ` ${c.flag}` : ""}`).join("");
  return [`Package: ${pkg.name}`, "Status: install ok unpacked", ...body, ...(conffiles === "" ? [] : [`Conffiles:${conffiles}`])].join("\n");
}

/** Fields with their continuation lines. */
function fieldsOf(text: string): string[] {
  return text.replace(/^\n+|\s+$/g, "").split(/\n(?![ \t])/);
}

/** What a preinst finds in /var/lib/dpkg/tmp.ci: the whole control archive. Returns the directory that waits to become it. */
export function stageControl(inside: Inside, pkg: Package, number: number): string {
  const waiting = `${admin}/debcast.ci`;
  makeDirectory(inside, waiting, 0o700);
  const dir = `${waiting}/${number}`;
  makeDirectory(inside, dir, 0o755);
  inside.write(`${dir}/control`, pkg.stored.control.text);
  for (const f of pkg.stored.control.files) inside.write(`${dir}/${f.name}`, f.content, f.name === "preinst" ? f.mode | 0o100 : f.mode);
  return dir;
}

/** Packages that have a script to run before they are unpacked. */
export function hasPreinst(control: Control): boolean {
  return control.files.some((f) => f.name === "preinst");
}

function makeDirectory(inside: Inside, path: string, mode = 0o755): void {
  if (inside.directory(path) !== undefined) return;
  const real = inside.locate(path);
  if (real === undefined) throw new UserError("image.no-directory", `the image has no place for \`${path}\``);
  mkdirSync(real, mode);
}

function keep(inside: Inside, path: string): void {
  if (inside.read(path) === undefined) inside.write(path, "");
}
