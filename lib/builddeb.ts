// buildDeb(): a directory of a scriptlet's as a .deb. The same files and control give the same bytes, whoever owns the directory
// and whenever it was checked out: owners are root's, times the epoch, modes follow from whether the owner may execute.
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeDeb, type TarEntry } from "./deb/write.ts";
import { UserError, nearest, type Where } from "./errors.ts";
import type { BuiltControl } from "./plan/plan.ts";

export interface BuildDebOptions {
  /** The files, laid out as in the image. */
  readonly dir: string;
  readonly control: BuiltControl;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Directory for the .deb. Its name has part of its SHA-256, so that images with other epochs have files of their own. */
  readonly to: string;
  readonly where?: Where | undefined;
}

export interface BuiltDeb {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  /** Its control file. */
  readonly control: string;
}

/** Makes the .deb, or leaves it alone when it is there with the same content. */
export async function buildLocalDeb(o: BuildDebOptions): Promise<BuiltDeb> {
  const data = withParents(readTree(o, ""));
  const files = data.filter((e) => e.content !== undefined);
  if (files.length === 0 && !data.some((e) => e.link !== undefined)) throw mistake(o, "deb.empty", `buildDeb() finds no file in \`${o.dir}\``);
  mustBeEnabled(o, files);
  const arch = archOf(o, files);
  const control = controlText(o.control, { arch, size: installedSize(data) });
  const bytes = writeDeb({ control: controlEntries(o, control, data), data, epoch: o.epoch });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const name = `${o.control.name}_${o.control.version.replaceAll(":", "%3a")}_${arch}.${sha256.slice(0, 12)}.deb`;
  const path = join(o.to, name);
  if (!existsSync(path) || !readFileSync(path).equals(bytes)) {
    mkdirSync(o.to, { recursive: true });
    writeFileSync(`${path}.${process.pid}.part`, bytes);
    renameSync(`${path}.${process.pid}.part`, path);
  }
  return { path, sha256, size: bytes.length, control };
}

// ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function readTree(o: BuildDebOptions, dir: string): TarEntry[] {
  return readdirSync(join(o.dir, dir)).sort().flatMap((name): TarEntry[] => {
    const from = dir === "" ? name : `${dir}/${name}`;
    if (from === "DEBIAN") {
      throw mistake(o, "deb.debian", "buildDeb() writes the control files itself, and the directory has a `DEBIAN/`", "for scripts of its own, make the package with dpkg-deb and name it: installDeb(\"./x.deb\")");
    }
    const stat = lstatSync(join(o.dir, from));
    const path = merged(from);
    if (stat.isDirectory()) return [{ path, mode: 0o755 }, ...readTree(o, from)];
    if (stat.isSymbolicLink()) return [{ path, mode: 0o777, link: readlinkSync(join(o.dir, from)) }];
    if (stat.isFile()) return [{ path, mode: stat.mode & 0o100 ? 0o755 : 0o644, content: readFileSync(join(o.dir, from)) }];
    throw mistake(o, "deb.type", `\`${from}\` is no file, directory or link, and cannot be packed`);
  });
}

/** /bin, /sbin and /lib are links in the image; files belong where these lead. */
function merged(path: string): string {
  return /^(bin|sbin|lib|lib64)(\/|$)/.test(path) ? `usr/${path}` : path;
}

/** In byte order, each directory once and before what is in it. */
function withParents(entries: readonly TarEntry[]): TarEntry[] {
  const all = new Map<string, TarEntry>();
  for (const e of entries) {
    const parts = e.path.split("/");
    for (let n = 1; n < parts.length; n++) all.set(parts.slice(0, n).join("/"), { path: parts.slice(0, n).join("/"), mode: 0o755 });
    all.set(e.path, e);
  }
  return [...all.values()].sort((a, b) => (`${a.path}/` < `${b.path}/` ? -1 : 1));
}

// ── Architecture ───────────────────────────────────────────────────────────────────────────────────────────────────

/** By e_machine of elf(5). */
const machines: Readonly<Record<number, string>> = { 3: "i386", 40: "armhf", 62: "amd64", 183: "arm64", 243: "riscv64" };

/** Programs make a package one of their architecture; what the system neither runs nor loads says nothing of it. */
function archOf(o: BuildDebOptions, files: readonly TarEntry[]): string {
  const programs = files.filter(isRun).flatMap((e) => elfMachine(e.content!).map((machine) => ({ path: e.path, machine, arch: machines[machine] })));
  const unknown = programs.find((p) => p.arch === undefined);
  if (unknown) throw mistake(o, "deb.arch", `\`${unknown.path}\` is a program for machine ${unknown.machine} of elf.h, for which Debian images are not made`, notRun(unknown.path));
  const [first] = programs;
  const other = programs.find((p) => p.arch !== first!.arch);
  if (other) throw mistake(o, "deb.arch", `\`${first!.path}\` is for \`${first!.arch}\` and \`${other.path}\` for \`${other.arch}\`, and a package has one architecture`, `make two packages of them, or build one of them anew; ${notRun("FILE")}`);
  return first?.arch ?? "all";
}

/** Firmware is for the processor of something else, though a linker makes it executable as it does programs. */
function isRun(e: TarEntry): boolean {
  if (e.path.startsWith("usr/lib/firmware/")) return false;
  return e.mode === 0o755 || /^usr\/(local\/)?s?bin\//.test(e.path) || /\.(so(\.[\w.]+)?|ko)$/.test(e.path);
}

function notRun(path: string): string {
  return `if it is firmware, which the image does not run: chmod a-x ${path}, or move it below usr/lib/firmware/`;
}

/** Of a file that is ELF, in the byte order that it names. */
function elfMachine(content: Uint8Array): number[] {
  const b = Buffer.from(content.buffer, content.byteOffset, content.length);
  if (b.length < 20 || b.readUInt32BE(0) !== 0x7f454c46) return [];
  return [b[5] === 2 ? b.readUInt16BE(18) : b.readUInt16LE(18)];
}

// ── Control ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** In KiB, as Debian Policy counts: files rounded up, 1 for all else. */
function installedSize(data: readonly TarEntry[]): number {
  return data.reduce((sum, e) => sum + (e.content ? Math.ceil(e.content.length / 1024) : 1), 0);
}

function controlText(c: BuiltControl, is: { arch: string; size: number }): string {
  const fields: [string, string][] = [
    ["Package", c.name],
    ["Version", c.version],
    ["Architecture", is.arch],
    ["Maintainer", "debcast <root@localhost>"],
    ["Installed-Size", String(is.size)],
    ...(c.depends.length > 0 ? [["Depends", c.depends.join(", ")] as [string, string]] : []),
    ["Section", "misc"],
    ["Priority", "optional"],
    ["Description", `${c.name}, made by a scriptlet of this image`],
  ];
  return fields.map(([name, value]) => `${name}: ${value}\n`).join("");
}

function controlEntries(o: BuildDebOptions, control: string, data: readonly TarEntry[]): TarEntry[] {
  const files = data.filter((e) => e.content !== undefined);
  const conffiles = files.filter((e) => e.path.startsWith("etc/"));
  const sums = files.filter((e) => !conffiles.includes(e)).map((e) => `${createHash("md5").update(e.content!).digest("hex")}  ${e.path}\n`);
  const text = (path: string, content: string, mode = 0o644): TarEntry[] => (content === "" ? [] : [{ path, mode, content: Buffer.from(content) }]);
  const { postinst, prerm, postrm } = unitScripts(o.control.units);
  return [
    ...text("conffiles", conffiles.map((e) => `/${e.path}\n`).join("")),
    ...text("control", control),
    ...text("md5sums", sums.join("")),
    ...text("postinst", postinst, 0o755),
    ...text("postrm", postrm, 0o755),
    ...text("prerm", prerm, 0o755),
  ];
}

// ── Units ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const unitDirs = ["usr/lib/systemd/system/", "etc/systemd/system/"];

/** Units that are named can be: deb-systemd-helper passes over the others without a word. */
function mustBeEnabled(o: BuildDebOptions, files: readonly TarEntry[]): void {
  const there = new Map(files.flatMap((e) => unitDirs.filter((d) => e.path.startsWith(d)).map((d) => [e.path.slice(d.length), e] as const)));
  for (const unit of o.control.units) {
    const file = there.get(unit);
    if (!file) {
      const near = nearest(unit, there.keys());
      throw mistake(o, "deb.unit", `the package \`${o.control.name}\` has no unit \`${unit}\``, near ? `did you mean \`${near}\`?` : `it belongs into ${join(o.dir, unitDirs[0]!, unit)}`);
    }
    const text = Buffer.from(file.content!).toString();
    const [who, starts] = [`the unit \`${unit}\` of the package \`${o.control.name}\``, unit.includes("@.") ? "a rule of udev or another unit starts its instances" : "another unit starts it"];
    const cannot = (why: string, add: string) => mistake(o, "deb.unit", `${who} ${why}, and cannot be enabled`, `add to ${file.path}:\n${add}\nor take it out of \`units\`, if ${starts}`);
    if (!/^\[Install\]/m.test(text)) throw cannot("has no section `[Install]`", "[Install]\nWantedBy=multi-user.target");
    if (unit.includes("@.") && !/^DefaultInstance=\S/m.test(text)) throw cannot("is a template without an instance", "[Install]\nDefaultInstance=NAME");
  }
}

/** Enables as Debian's own packages do: what an administrator has disabled stays so when a new version comes. */
function unitScripts(units: readonly string[]): { postinst: string; prerm: string; postrm: string } {
  if (units.length === 0) return { postinst: "", prerm: "", postrm: "" };
  const each = (command: (unit: string) => string) => units.map((u) => command(`'${u}'`)).join("");
  const started = units.map((u) => `'${u}'`).join(" ");
  const head = "#!/bin/sh\nset -e\n";
  return {
    postinst: `${head}case "$1" in configure | abort-*)
${each((u) => `  deb-systemd-helper unmask ${u} > /dev/null || true
  if deb-systemd-helper --quiet was-enabled ${u}; then deb-systemd-helper enable ${u} > /dev/null || true
  else deb-systemd-helper update-state ${u} > /dev/null || true; fi
`)}  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload > /dev/null || true
    deb-systemd-invoke restart ${started} > /dev/null || true
  fi ;;
esac
`,
    prerm: `${head}if [ "$1" = remove ] && [ -d /run/systemd/system ]; then deb-systemd-invoke stop ${started} > /dev/null || true; fi
`,
    postrm: `${head}if [ -d /run/systemd/system ]; then systemctl --system daemon-reload > /dev/null || true; fi
if [ "$1" = purge ] && [ -x /usr/bin/deb-systemd-helper ]; then
${each((u) => `  deb-systemd-helper purge ${u} > /dev/null || true\n`)}fi
`,
  };
}

function mistake(o: BuildDebOptions, code: string, message: string, hint?: string): UserError {
  return new UserError(code, message, { where: o.where, hint });
}
