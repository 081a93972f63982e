// The units of an image: which files make them, which are enabled, and which name a file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { asBytes, type Items } from "./inventory.ts";

const kinds = "service|socket|timer|path|mount|automount|swap|target|slice";
const unitFile = new RegExp(`^/(?:etc|usr/lib|usr/local/lib)/systemd/system/([^/]+\\.(?:${kinds}))(?:\\.d/[^/]+\\.conf)?$`);
const wantsLink = new RegExp(`^/(?:etc|usr/lib)/systemd/system/[^/]+\\.(?:wants|requires|upholds)/([^/]+\\.(?:${kinds}))$`);

/** The unit that a unit file or a drop-in belongs to. */
export function unitOf(path: string): string | undefined {
  return unitFile.exec(path)?.[1];
}

/** The unit that a link in `X.wants/` starts. */
export function wantedBy(path: string): string | undefined {
  return wantsLink.exec(path)?.[1];
}

/** Paths that systemd reads its units from, whatever of them changes. */
export function concernsUnits(path: string): boolean {
  return /^\/(etc|usr\/lib|usr\/local\/lib)\/systemd\/(system|system-generators|system-preset)\//.test(path) || path === "/etc/fstab";
}

export interface Units {
  /** Whether something starts it when the device starts. */
  isEnabled(unit: string): boolean;
  /** Units whose programs or settings are at this path. */
  naming(path: string): readonly string[];
  /** Whether it does its work once, and may not want to do it again in a running system. */
  isOnce(unit: string): boolean;
}

/** Reads the unit files of an image when it is asked for the first time. */
export function unitsOf(image: string, items: Items): Units {
  const enabled = new Set([...items.keys()].flatMap((p) => wantedBy(p) ?? []));
  let read: { naming: Map<string, string[]>; once: Set<string> } | undefined;
  const known = () => (read ??= readUnits(image, items));
  return {
    isEnabled: (unit) => enabled.has(unit),
    naming: (path) => known().naming.get(path) ?? [],
    isOnce: (unit) => known().once.has(unit.replace(/@.*\./, "@.")),
  };
}

function readUnits(image: string, items: Items): { naming: Map<string, string[]>; once: Set<string> } {
  const naming = new Map<string, string[]>();
  const once = new Set<string>();
  for (const [path, item] of items) {
    const unit = unitOf(path);
    if (unit === undefined || item.type !== "f") continue;
    const text = readOr(join(image, path));
    if (/^Type=oneshot$/m.test(text)) once.add(unit);
    for (const named of pathsIn(text)) naming.set(named, [...(naming.get(named) ?? []), unit]);
  }
  return { naming, once };
}

/** Programs with what is given to them, and files of environment. */
function pathsIn(text: string): Set<string> {
  const lines = text.replaceAll("\\\n", " ").split("\n").filter((l) => /^(Exec\w+|EnvironmentFile)=/.test(l));
  const words = lines.flatMap((l) => [...l.matchAll(/(?<![\w./%$}])\/[\w@.+/-]+/g)].map((m) => m[0]));
  return new Set(words.map((w) => asBytes(w.replace(/^\/(bin|sbin|lib)\//, "/usr/$1/"))));
}

function readOr(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
