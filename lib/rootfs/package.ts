// A package on its way into an image: what its control file says, parsed once.
import { parseParagraph, type Paragraph } from "../deb/control.ts";
import { parseRelations, type Alternative } from "../deb/dependency.ts";
import { UserError } from "../errors.ts";
import type { ControlFile, StoredDeb } from "../store/store.ts";

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly multiArch: string | undefined;
  readonly essential: boolean;
  /** Names in info/ and triggers/: `libc6:amd64` for Multi-Arch: same. */
  readonly id: string;
  readonly preDepends: Alternative[][];
  readonly depends: Alternative[][];
  readonly provides: Alternative[][];
  readonly replaces: Alternative[][];
  readonly stored: StoredDeb;
  /** What `conffiles` lists, in its order. A flag (`remove-on-upgrade`) is on files that are no longer shipped. */
  readonly conffiles: readonly { readonly path: string; readonly flag?: string }[];
}

export function asPackage(stored: StoredDeb): Package {
  const p = parseParagraph(stored.control.text, `the control file of \`${stored.label}\``);
  const [name, version, arch] = ["Package", "Version", "Architecture"].map((f) => mustHave(p, f, stored.label));
  const multiArch = p.get("Multi-Arch");
  const relations = (field: string) => parseRelations(p.get(field) ?? "");
  return {
    name: name!, version: version!, arch: arch!, multiArch,
    essential: p.get("Essential") === "yes",
    id: multiArch === "same" ? `${name}:${arch}` : name!,
    preDepends: relations("Pre-Depends"), depends: relations("Depends"), provides: relations("Provides"), replaces: relations("Replaces"),
    stored,
    conffiles: conffilesOf(stored),
  };
}

/** A file of the control archive. */
export function controlFile(p: Package, name: string): ControlFile | undefined {
  return p.stored.control.files.find((f) => f.name === name);
}

const shapes: Readonly<Record<string, RegExp>> = {
  Package: /^[a-z0-9][a-z0-9+.-]*$/, Version: /^(\d+:)?[A-Za-z0-9.+~:-]+$/, Architecture: /^[a-z0-9][a-z0-9-]*$/,
};

/** These become parts of paths and of lines in dpkg's database. */
function mustHave(p: Paragraph, field: string, label: string): string {
  const value = p.get(field);
  if (value !== undefined && shapes[field]!.test(value)) return value;
  throw new UserError("deb.broken", `the control file of \`${label}\` has ${value === undefined ? `no field \`${field}\`` : `the ${field} \`${value}\``}`);
}

function conffilesOf(stored: StoredDeb): { path: string; flag?: string }[] {
  const text = stored.control.files.find((f) => f.name === "conffiles")?.content.toString() ?? "";
  return text.split("\n").flatMap((line) => {
    const [, flag, path] = /^(?:([a-z-]+)\s+)?(\/.*?)\s*$/.exec(line) ?? [];
    return path === undefined ? [] : [{ path, ...(flag !== undefined && { flag }) }];
  });
}
