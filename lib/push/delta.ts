// What a device lacks to be an image, told from inventories alone.
import { isBelow } from "../rootfs/paths.ts";
import type { Item, Items } from "./inventory.ts";
import { same } from "./inventory.ts";
import type { Whose } from "./protect.ts";

export interface Delta {
  /** Paths that are to become what they are in the image. */
  readonly send: readonly string[];
  /** Paths of the device that the image has no more. */
  readonly gone: readonly string[];
}

/**
 * The paths to which a device may differ from `want`, each of whose paths is as it is in one of `haves`: the image that it runs, and those
 * that pushes which were cut short wanted to make of it.
 */
export function deltaOf(haves: readonly Items[], want: Items): Delta {
  const send = [...want].filter(([path, item]) => haves.some((have) => differs(have.get(path), item))).map(([path]) => path);
  const gone = new Set(haves.flatMap((have) => [...have.keys()].filter((path) => !want.has(path))));
  return { send: send.sort(), gone: [...gone].sort() };
}

function differs(had: Item | undefined, item: Item): boolean {
  return had === undefined || !same(had, item);
}

/** A delta sorted by whose its paths are. */
export interface Shares extends Delta {
  /** Sent only where nothing is. */
  readonly seeds: readonly string[];
  /** Files of accounts that are to be merged. */
  readonly accounts: readonly string[];
  /** Sent or removed only where the device has what the image had. */
  readonly settings: readonly string[];
  /** Paths that the image changed, and that are the device's. */
  readonly left: readonly string[];
}

/** `had`: whether the device was given a path by the image that it runs. */
export function share(delta: Delta, want: Items, o: { whose: (path: string) => Whose; had: (path: string) => boolean }): Shares {
  const { whose, had } = o;
  const of = (paths: readonly string[], kind: Whose) => paths.filter((p) => whose(p) === kind);
  // With a link or a file in the place of a directory, what was in it is gone already; through the link it would be somebody else's.
  const gone = of(delta.gone, "image").filter((path) => !leadsElsewhere(path, want));
  return {
    send: of(delta.send, "image"), gone,
    seeds: of(delta.send, "seed").filter((p) => !had(p)), accounts: of(delta.send, "account"),
    settings: [...of(delta.send, "setting"), ...of(delta.gone, "setting")],
    left: [...delta.send, ...delta.gone].filter((p) => had(p) && ["device", "seed"].includes(whose(p))),
  };
}

/** Whether a directory above `path` is none in the image. */
function leadsElsewhere(path: string, want: Items): boolean {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const above = want.get(path.slice(0, at));
    if (above) return above.type !== "d";
  }
  return false;
}

/** Where the image wants something that is no directory, and the device may keep something at or below it: what it is, and what it keeps. */
export function mayBeInTheWay(send: readonly string[], want: Items, kept: readonly string[]): { path: string; kept: string }[] {
  return send.filter((path) => want.get(path)!.type !== "d").flatMap((path) => kept.filter((k) => isBelow(k, path)).map((k) => ({ path, kept: k })));
}

// ── Sending ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One run of rsync. */
export interface Pass {
  readonly paths: readonly string[];
  /** Files with holes in it. */
  readonly sparse: boolean;
  /** All of it takes its place at once, as far as a file system can: libc and its loader do not work one without the other. */
  readonly atOnce: boolean;
}

/**
 * In the order that does least harm when it ends in the middle: libraries, and then the names that programs ask for, so that a new program
 * never meets an old one; everything else; links, which now lead to something; and dpkg's database, which by then tells the truth.
 */
export function passesOf(paths: readonly string[], want: Items): Pass[] {
  const rank = ranking(paths, want);
  const ranks = [0, 1, 2, 3].map((r) => paths.filter((p) => rank(p) === r));
  return ranks.map((some, r) => ({ paths: some, sparse: some.some((p) => want.get(p)!.sparse), atOnce: r === 0 })).filter((pass) => pass.paths.length > 0);
}

function ranking(paths: readonly string[], want: Items): (path: string) => number {
  const ownRank = (path: string) => {
    const { type } = want.get(path)!;
    if (isBelow(path, "/var/lib/dpkg")) return 3;
    if (type === "l") return isLibrary(path) ? 1 : 3;
    return type === "f" && isLibrary(path) ? 0 : 2;
  };
  // All names of a file go together.
  const linked = new Map<string, number>();
  for (const path of paths) {
    const { links } = want.get(path)!;
    if (links !== "") linked.set(links, Math.max(linked.get(links) ?? 0, ownRank(path)));
  }
  return (path) => linked.get(want.get(path)!.links) ?? ownRank(path);
}

/** One that any program may ask for by its name. A program's own plugins come with the program: of sudo, say, neither works without the other. */
function isLibrary(path: string): boolean {
  return /^\/usr\/(local\/)?lib\/([^/]+-linux-[^/]+\/)?[^/]+\.so(\.[^/]*)?$/.test(path);
}

/** What a device needs to have free for it: bytes and inodes. A file is there twice until its new one is whole, libraries until all of them are. */
export function roomFor(paths: readonly string[], want: Items, o: { had: Items | undefined; copied: boolean }): { bytes: number; inodes: number } {
  const block = 4096;
  const sizeOf = (i: Item | undefined) => (i?.type === "f" ? Math.ceil(i.size / block) * block : block);
  let [bytes, inodes, largest, libraries] = [0, 0, 0, 0];
  const rank = ranking(paths, want);
  const seen = new Set<string>();
  for (const path of paths) {
    const item = want.get(path)!;
    // Holes take no room; how much of such a file does is not known, so it is not counted against the device.
    if (item.sparse || (item.links !== "" && seen.has(item.links))) continue;
    seen.add(item.links);
    const had = o.had?.get(path);
    const size = sizeOf(item);
    bytes += o.copied || had?.type !== "f" ? size : Math.max(0, size - sizeOf(had));
    largest = Math.max(largest, size);
    if (rank(path) === 0) libraries += size;
    if (had === undefined) inodes++;
  }
  return { bytes: Math.max(libraries, bytes + largest), inodes };
}
