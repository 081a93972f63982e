// An entry of downloads/store/: SHA256.tar (the data archive of a .deb, plain) and SHA256.json (what is in it).
//
// An entry is valid if its JSON can be read, has this `format`, and has the size, times and inode of the tar as they are now:
// the JSON is written last and renamed into place, so it is never there without its tar, and a tar that was touched since is
// made again. SHA256 is of the .deb; who calls must have just verified it (cache.ts), for here it is only a name.
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, type BigIntStats } from "node:fs";
import { join } from "node:path";
import type { Control, ControlFile } from "./controltar.ts";
import type { Entry } from "./tarscan.ts";

export interface StoredDeb {
  readonly sha256: string;
  /** How errors name the package: `bluez_5.82-1_amd64.deb`. */
  readonly label: string;
  /** The .deb itself. */
  readonly deb: string;
  readonly tar: string;
  readonly entries: readonly Entry[];
  readonly control: Control;
  /** Why only dpkg itself can unpack it, if so. */
  readonly dpkgOnly?: string | undefined;
}

export interface DebFile {
  readonly path: string;
  readonly sha256: string;
  readonly label: string;
  /** Of those with one number (default 0) all control archives come before any data: they say in what order the data are needed. */
  readonly group?: number;
}

const format = 1;

/** Of this process: several may fill one store. */
export function partOf(base: string, what: "control" | "tar" | "json"): string {
  return `${base}.${process.pid}.${what}.part`;
}

export function removeParts(base: string): void {
  for (const what of ["control", "tar"] as const) rmSync(partOf(base, what), { force: true });
}

export function identity(dir: string, deb: DebFile): Pick<StoredDeb, "sha256" | "label" | "deb" | "tar"> {
  return { sha256: deb.sha256, label: deb.label, deb: deb.path, tar: join(dir, `${deb.sha256}.tar`) };
}

interface Index {
  readonly format: number;
  readonly tar: string;
  readonly entries: Entry[];
  readonly dpkgOnly?: string;
  readonly text: string;
  /** Contents as latin1: bytes one to one, and short in JSON. */
  readonly files: (Omit<ControlFile, "content"> & { content: string })[];
}

export function writeEntry(base: string, o: { entries: Entry[]; dpkgOnly?: string; control: Control; stats: BigIntStats }): void {
  const index: Index = {
    format,
    tar: fingerprint(o.stats),
    text: o.control.text,
    files: o.control.files.map((f) => ({ ...f, content: f.content.toString("latin1") })),
    ...(o.dpkgOnly !== undefined && { dpkgOnly: o.dpkgOnly }),
    entries: o.entries,
  };
  writeFileSync(partOf(base, "json"), JSON.stringify(index));
  renameSync(partOf(base, "json"), `${base}.json`);
}

export function readEntry(dir: string, deb: DebFile): StoredDeb | undefined {
  const base = join(dir, deb.sha256);
  try {
    const index = JSON.parse(readFileSync(`${base}.json`, "utf8")) as Index;
    if (index.format !== format || index.tar !== fingerprint(statSync(`${base}.tar`, { bigint: true }))) return undefined;
    const files = index.files.map((f) => ({ ...f, content: Buffer.from(f.content, "latin1") }));
    return { ...identity(dir, deb), entries: index.entries, dpkgOnly: index.dpkgOnly, control: { text: index.text, files } };
  } catch {
    // Absent, torn or not ours: made again.
    return undefined;
  }
}

/** ctime cannot be set back, so a byte changed behind our back is noticed. A rename changes ctime too: taken after it. */
function fingerprint(s: BigIntStats): string {
  return `${s.size} ${s.mtimeNs} ${s.ctimeNs} ${s.ino}`;
}

/** What a killed build left; those of a running one are younger. */
export function removeStaleParts(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (!name.endsWith(".part")) continue;
    const path = join(dir, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 3_600_000) rmSync(path, { force: true });
  }
}
