// Base URIs to fetch from, in order. No mirror is built in: beside what was asked for there is only what this machine's apt uses.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Mirror } from "./api.ts";
import { splitParagraphs, parseParagraph } from "./deb/control.ts";
import { UserError } from "./errors.ts";

export interface MirrorOptions {
  /** Only what is read of a conf. */
  readonly conf: { readonly mirrors: readonly Mirror[]; readonly file?: string };
  /** URIs given with --mirror. */
  readonly mirrors: readonly string[];
  /** Where apt's configuration lies; for tests. */
  readonly apt?: string | undefined;
}

export type ThirdParty = Extract<Mirror, { name: string }>;

/** One source of the host's apt. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string | undefined;
}

/** Base URIs of an archive (`main`, `updates`, `security` or a third party's name), best first. */
export function mirrorsFor(archive: { readonly name: string }, o: MirrorOptions): string[] {
  const own = thirdParties(o.conf.mirrors).filter((m) => m.name === archive.name);
  if (own.length > 0) return clean(own.map((m) => m.uri));
  const plain = o.conf.mirrors.filter((m) => typeof m === "string");
  const secure = o.conf.mirrors.flatMap((m) => (typeof m !== "string" && "security" in m ? [m.uri] : []));
  const host = hostMirrors(o.apt);
  const security = archive.name === "security";
  const found = security
    ? [...o.mirrors.flatMap(withSecurity), ...secure, ...plain.flatMap(withSecurity), ...host.security, ...host.main.flatMap(withSecurity)]
    : [...o.mirrors, ...plain, ...host.main];
  if (found.length > 0) return clean(found);
  throw new UserError("mirror.none", "no Debian mirror is known: neither the conf nor this machine's apt sources name one", {
    where: o.conf.file === undefined ? undefined : { file: o.conf.file },
    hint: security ? 'mirrors: ["http://mirror.example/debian", { uri: "http://mirror.example/debian-security", security: true }],' : 'mirrors: ["http://mirror.example/debian"],\nor `--mirror http://mirror.example/debian`',
  });
}

export function thirdParties(mirrors: readonly Mirror[]): ThirdParty[] {
  return mirrors.filter((m): m is ThirdParty => typeof m !== "string" && "name" in m);
}

/** Mirrors of Debian as this machine's apt knows them. */
export function hostMirrors(apt = "/etc/apt"): { main: string[]; security: string[] } {
  const debian = debianSources(readAptSources(apt));
  const isSecurity = (suite: string) => /(-security|\/updates)$/.test(suite);
  return {
    main: clean(debian.filter((s) => s.suites.some((suite) => !isSecurity(suite))).map((s) => s.uri)),
    security: clean(debian.filter((s) => s.suites.some(isSecurity)).map((s) => s.uri)),
  };
}

function clean(uris: readonly string[]): string[] {
  return [...new Set(uris.map((u) => u.replace(/\/+$/, "")))];
}

/** Most mirrors have the security suites in a directory beside that of all others. */
function withSecurity(uri: string): string[] {
  const base = uri.replace(/\/+$/, "");
  return base.endsWith("/debian") ? [base, `${base}-security`] : [base];
}

// ── The host's apt sources ─────────────────────────────────────────────────────────────────────────────────────────

const suiteNames = /^(buster|bullseye|bookworm|trixie|forky|duke|sid|(old)*stable|testing|unstable|experimental)(-security|-updates|-backports|-proposed-updates|\/updates)?$/;
const componentNames = /^(main|contrib|non-free|non-free-firmware)$/;

/** Sources signed by Debian's keyring; where none says its keyring, those with Debian's names of suites and components. */
export function debianSources(sources: readonly AptSource[]): AptSource[] {
  const named = sources.filter((s) => s.suites.some((n) => suiteNames.test(n)) && s.components.every((c) => componentNames.test(c)));
  const signed = named.filter((s) => s.signedBy?.includes("debian-archive"));
  return signed.length > 0 ? signed : named.filter((s) => s.signedBy === undefined);
}

export function readAptSources(apt: string): AptSource[] {
  const parts = join(apt, "sources.list.d");
  const more = existsSync(parts) ? readdirSync(parts).sort().map((name) => join(parts, name)) : [];
  return [join(apt, "sources.list"), ...more].filter((f) => existsSync(f)).flatMap((file) => {
    const text = readFileSync(file, "utf8");
    if (file.endsWith(".sources")) return parseDeb822(text);
    return file.endsWith(".list") ? text.split("\n").flatMap(parseOneLine) : [];
  });
}

/** `deb [signed-by=FILE arch=amd64] URI SUITE COMPONENT…` */
function parseOneLine(line: string): AptSource[] {
  const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
  if (!match) return [];
  const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(match[1] ?? "")?.[1];
  return expand(match[2]!).map((uri) => ({ uri, suites: [match[3]!], components: words(match[4]), signedBy }));
}

function parseDeb822(text: string): AptSource[] {
  const bare = text.split("\n").filter((line) => !line.startsWith("#")).join("\n");
  return splitParagraphs(bare).flatMap(({ text: body }) => {
    const p = tolerant(body);
    if (!p || !words(p.get("Types")).includes("deb") || /^(no|false|0|off|disable)$/i.test(p.get("Enabled") ?? "yes")) return [];
    const rest = { suites: words(p.get("Suites")), components: words(p.get("Components")), signedBy: p.get("Signed-By") };
    return words(p.get("URIs")).flatMap(expand).map((uri) => ({ uri, ...rest }));
  });
}

/** A source of somebody else's that is broken is apt's matter, not ours. */
function tolerant(body: string) {
  try {
    return parseParagraph(body, "a source of apt");
  } catch {
    return undefined;
  }
}

/** `mirror+file:/etc/apt/mirrors/debian.list`, as cloud images have it, is a list of URIs. */
function expand(uri: string): string[] {
  if (/^https?:\/\//.test(uri)) return [uri];
  const list = /^mirror\+file:(\/.*)$/.exec(uri)?.[1];
  if (list === undefined || !existsSync(list)) return [];
  return readFileSync(list, "utf8").split("\n").map((line) => line.split(/[\t ]/)[0]!).filter((u) => /^https?:\/\//.test(u));
}

function words(value: string | undefined): string[] {
  return (value ?? "").split(/\s+/).filter((w) => w !== "");
}
