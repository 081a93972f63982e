// Triggers, as dpkg handles them while it unpacks: interests are noted in triggers/, and what is activated becomes a line in
// triggers/Unincorp, which the next dpkg takes up. Only packages that were configured before can be activated then; the others
// do their work when they are configured.
import type { Inside } from "./inside.ts";
import { controlFile, type Package } from "./package.ts";
import type { Diversion } from "./diversions.ts";

const directory = "/var/lib/dpkg/triggers";

interface Directive {
  readonly kind: "interest" | "activate";
  readonly trigger: string;
  readonly noawait: boolean;
}

/** Who is interested, by trigger; a name with a slash is a path. */
export type Interests = ReadonlyMap<string, readonly { pkg: string; noawait: boolean }[]>;

/** Directives of a package's control file `triggers`. */
export function directivesOf(pkg: Package): Directive[] {
  const found: Directive[] = [];
  for (const line of (controlFile(pkg, "triggers")?.content.toString() ?? "").split("\n")) {
    const m = /^(interest|activate)(-await|-noawait)?\s+(\S+)\s*$/.exec(line.replace(/#.*/, "").trim());
    if (m) found.push({ kind: m[1] as Directive["kind"], trigger: m[3]!, noawait: m[2] === "-noawait" });
  }
  return found;
}

/** The interests of all packages unpacked so far: the paths of triggers/File, and `names` out of its neighbours. */
export function readInterests(inside: Inside, names: Iterable<string>): Interests {
  const interests = new Map<string, { pkg: string; noawait: boolean }[]>();
  const add = (trigger: string, who: string) => {
    const [pkg, option] = who.split("/");
    interests.set(trigger, [...(interests.get(trigger) ?? []), { pkg: pkg!, noawait: option === "noawait" }]);
  };
  for (const line of linesOf(inside, "File")) {
    const space = line.lastIndexOf(" ");
    add(line.slice(0, space), line.slice(space + 1));
  }
  for (const name of names) if (isFileName(name)) for (const line of linesOf(inside, name)) add(name, line);
  return interests;
}

/** Notes the interests of packages that have just been unpacked. */
export function addInterests(inside: Inside, pkgs: readonly Package[]): void {
  const files = new Map<string, string[]>();
  for (const pkg of pkgs) {
    for (const d of directivesOf(pkg)) {
      if (d.kind !== "interest") continue;
      const who = pkg.id + (d.noawait ? "/noawait" : "");
      const [file, line] = d.trigger.startsWith("/") ? ["File", `${d.trigger} ${who}`] : [d.trigger, who];
      if (file === "File" ? d.trigger.startsWith("/") : isFileName(file)) files.set(file, [...(files.get(file) ?? []), line]);
    }
  }
  for (const [file, lines] of files) {
    inside.write(`${directory}/${file}`, [...new Set([...linesOf(inside, file), ...lines])].map((l) => `${l}\n`).join(""));
  }
}

/**
 * What unpacking `pkgs`, with these paths, activates: lines `TRIGGER PACKAGE…` of those that wait for it, `-` if nobody does.
 */
export function activations(o: { pkgs: readonly { pkg: Package; paths: readonly string[] }[]; interests: Interests; diversions: ReadonlyMap<string, Diversion> }): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const activate = (trigger: string, awaiter: string, noawait: boolean) => {
    for (const who of o.interests.get(trigger) ?? []) found.set(trigger, (found.get(trigger) ?? new Set()).add(noawait || who.noawait ? "-" : awaiter));
  };
  const paths = new Set([...o.interests.keys()].filter((t) => t.startsWith("/")));
  for (const { pkg, paths: own } of o.pkgs) {
    // These go off once more when the package is configured, and only then does it wait for them.
    for (const d of directivesOf(pkg)) if (d.kind === "activate") activate(d.trigger, pkg.id, true);
    for (const path of touched(own, pkg, o.diversions)) if (paths.has(path)) activate(path, pkg.id, false);
  }
  return found;
}

/** Adds to triggers/Unincorp. */
export function recordActivations(inside: Inside, activated: ReadonlyMap<string, ReadonlySet<string>>): void {
  if (activated.size === 0) return;
  const merged = new Map<string, Set<string>>();
  for (const line of linesOf(inside, "Unincorp")) {
    const [trigger, ...awaiters] = line.split(" ");
    merged.set(trigger!, new Set(awaiters));
  }
  for (const [trigger, awaiters] of activated) merged.set(trigger, new Set([...(merged.get(trigger) ?? []), ...awaiters]));
  const lines = [...merged].map(([trigger, awaiters]) => `${trigger} ${[...awaiters].join(" ")}\n`);
  inside.write(`${directory}/Unincorp`, lines.join(""));
}

/** Each path where it really goes, and every directory above it: an interest in any of them is met. */
function touched(paths: readonly string[], pkg: Package, diversions: ReadonlyMap<string, Diversion>): Set<string> {
  const all = new Set<string>();
  for (const path of paths) {
    const diversion = diversions.get(path);
    let at = diversion && diversion.by !== pkg.name ? diversion.to : path;
    for (; at.length > 0 && !all.has(at); at = at.slice(0, at.lastIndexOf("/"))) all.add(at);
  }
  return all;
}

function linesOf(inside: Inside, name: string): string[] {
  return (inside.read(`${directory}/${name}`)?.toString() ?? "").split("\n").filter((l) => l !== "");
}

/** Names come out of packages and become names of files; three are dpkg's own. */
function isFileName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9.+_:-]*$/.test(name) && !["File", "Unincorp", "Lock"].includes(name);
}
