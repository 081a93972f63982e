// Programs that maintainer scripts call and whose result depends only on files that can be named: they are noted while dpkg
// configures, run when what they read is final, beside each other, and remembered.
//
// Remembered is what the program changed, under a digest of its calls, of the files that it reads, and of the packages that it is
// made of. Whether remembered or just made, the change is put into the tree the same way.
import {
  chmodSync, closeSync, copyFileSync, lchownSync, lstatSync, lutimesSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, type Stats,
} from "node:fs";
import { UserError, allEnded } from "../errors.ts";
import { span, type Emit } from "../events.ts";
import type { Chain, Change } from "../layers/chain.ts";
import { isGone } from "../layers/delta.ts";
import { anyStatus, lastLines } from "../run.ts";
import { inSandbox, type Sandbox, type SandboxOptions } from "../sandbox.ts";
import type { Entry } from "../store/store.ts";
import { fillBeside, settleFills, worthHandingOver } from "./filler.ts";
import { resolveIn } from "./paths.ts";
import { readsDigestBeside, type Reads } from "./reads.ts";
import { walk } from "./tree.ts";

/** A call of a maintainer script, by the package that made it. */
export interface Call {
  readonly pkg: string;
  readonly argv: readonly string[];
}

interface Program {
  /** The package that it is from; with all that this one needs it says what the program is. */
  readonly of: string;
  /** What it reads, by its calls: paths of the image, files or whole directories. */
  reads(calls: readonly (readonly string[])[]): readonly string[];
  /** Fewer calls that come to the same, if there are such. */
  asFew?(calls: readonly Call[]): readonly Call[];
  /** What it only writes, among those. */
  readonly writes?: RegExp;
  /** Whether it may read more than that, so that nothing can be remembered. */
  readsMore?(root: string): boolean;
  /**
   * When it is run: before scriptlets, whose commands want it, or after them, with what they added; of the latter, `modules` comes
   * before the initramfs, which holds it.
   */
  readonly when: When;
}

export type When = "before scriptlets" | "modules" | "caches";

const programs: Readonly<Record<string, Program>> = {
  "update-ca-certificates": {
    of: "ca-certificates", when: "before scriptlets",
    reads: () => ["/etc/ca-certificates.conf", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/etc/ssl"],
    // Hooks are anybody's programs.
    readsMore: (root) => list(root, "/etc/ca-certificates/update.d").length > 0,
    // Its package calls it without hooks when it is configured, and again by a trigger, which then finds nothing to do.
    asFew: (calls) => (calls.every(({ argv }) => argv.length === 1 || (argv.length === 3 && argv[1] === "--hooksdir" && argv[2] === "")) ? [{ pkg: calls.at(-1)!.pkg, argv: ["update-ca-certificates"] }] : calls),
  },
  depmod: {
    of: "kmod", when: "modules",
    reads: (calls) => ["/etc/depmod.d", "/usr/lib/depmod.d", ...calls.map((c) => `/usr/lib/modules/${c.at(-1)!}`)],
    // The postinst of the kernel removes its mark of a fresh installation.
    writes: /\/modules\.(dep|alias|symbols|builtin|builtin\.alias)(\.bin)?$|\/modules\.(softdep|weakdep|devname)$|\/\.fresh-install$/,
  },
  "systemd-hwdb": { of: "udev", when: "modules", reads: () => ["/usr/lib/udev/hwdb.d", "/etc/udev/hwdb.d", "/usr/lib/udev/hwdb.bin", "/etc/udev/hwdb.bin"] },
  "fc-cache": {
    of: "fontconfig", when: "caches",
    reads: () => [...fontDirs, "/etc/fonts", "/usr/share/fontconfig", "/var/cache/fontconfig"],
    readsMore: (root) => ["/etc/fonts", "/usr/share/fontconfig"].some((dir) => hasOtherFonts(root, dir)),
  },
  "update-mime-database": { of: "shared-mime-info", when: "caches", reads: () => ["/usr/share/mime"] },
};

const fontDirs = ["/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/X11/fonts"];

/** What scripts find in their PATH instead. */
export const deferrable: readonly string[] = Object.keys(programs);

export interface Deferred {
  /**
   * Begins what is sure to be called, or was, while other things go on; what it finds may still change, and then it was in vain.
   * `still`: nobody changes this tree itself.
   */
  begin(root: string, calls: readonly Call[], o: { still: boolean }): Promise<void>;
  /** Runs what was called, as far as it is time for it, or takes what is remembered of it; gives the changes, to be `apply`-ed. */
  run(root: string, calls: readonly Call[], when: When): Promise<readonly Outcome[]>;
}

export interface DeferredOptions {
  readonly chain: Chain;
  readonly sandbox: () => Promise<Sandbox>;
  readonly epoch: number;
  readonly emit: Emit;
  readonly log: (name: string, text: string) => void;
  /** Says what a package with all that it needs is made of. */
  readonly identity: (pkg: string) => string;
  /** Says how programs are run here: by which debcast, with which tools. */
  readonly engine: string;
  /** Digests of what is read. */
  readonly digest: (root: string, o: Reads) => string;
}

/** What a program changed, to be put into the tree; undefined when it changed the tree itself. */
export type Outcome = Change | undefined;

export function openDeferred(o: DeferredOptions): Deferred {
  return {
    begin: async (root, calls, { still }) => {
      const digest = still ? readsDigestBeside : o.digest;
      if (o.chain.layered) await Promise.allSettled(inBatches(calls).map((batch) => runBatch({ ...o, digest, still }, root, batch)));
    },
    run: (root, calls, when) => inTurn(o.chain.layered, inBatches(calls).filter((b) => programs[b[0]!.argv[0]!]!.when === when), (batch) => runBatch(o, root, batch)),
  };
}

/** Calls whose programs run before scriptlets do. */
export function wantedEarly(calls: readonly Call[]): Call[] {
  return calls.filter((c) => programs[c.argv[0]!]!.when === "before scriptlets");
}

/** What is sure to be called when these files are in place: depmod for each kernel. */
export function surelyCalled(placed: readonly Entry[]): Call[] {
  const kernels = new Set(placed.flatMap((e) => /^\/(?:usr\/)?lib\/modules\/([^/]+)\/modules\.order$/.exec(e.path)?.[1] ?? []));
  return [...kernels].map((kernel) => ({ pkg: "-", argv: ["depmod", kernel] }));
}

export interface Step {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Says what it reads. */
  readonly reads: string;
  /** Whether it reads more than that. */
  readonly forget: boolean;
  /** Runs it, with what its sandbox finds beside the tree; that makes no difference to what comes of it. */
  readonly around?: (root: string, run: (finds: Pick<SandboxOptions, "over">) => Promise<void>) => Promise<void>;
}

/** Runs `argv` in the tree `root`, or takes what it changed the last time that `reads` said the same. */
export async function remembered(o: DeferredOptions, root: string, step: Step): Promise<Outcome> {
  const around = step.around ?? ((_at, run) => run({}));
  const work = (at: string) => span(o.emit, step.name, "deferred", () => around(at, async (finds) => {
    await inSandbox(await o.sandbox(), at, { argv: step.argv, ...(step.env && { env: step.env }), ...finds, onOutput: (text) => o.log(step.name, text), what: `settling ${step.name}` });
  }));
  const inputs = { calls: JSON.stringify(step.argv), reads: step.reads, engine: o.engine, epoch: String(o.epoch) };
  return o.chain.remember({ name: step.name, inputs, root, work, forget: step.forget });
}

/** Puts the changes of several programs into the tree, in their order. */
export function applyAll(changes: readonly Outcome[], root: string): void {
  try {
    for (const change of changes) if (change) apply(change.tree, root);
  } finally {
    settleFills();
  }
}

/** Says all of these changes, so that the same changes twice are the same files; undefined where one of them cannot be told. */
export function identityOf(changes: readonly Outcome[]): string | undefined {
  return changes.some((c) => c && c.id === undefined) ? undefined : changes.map((c) => c?.id ?? "").join(" ");
}

/** Calls of one program, in their order; a call that was made twice is made once. */
function inBatches(calls: readonly Call[]): Call[][] {
  const batches = new Map<string, Call[]>();
  for (const call of calls) {
    const name = call.argv[0]!;
    const batch = batches.get(name) ?? [];
    if (JSON.stringify(batch.at(-1)?.argv) !== JSON.stringify(call.argv)) batch.push(call);
    batches.set(name, batch);
  }
  return [...batches.values()];
}

/** All at once where each has a tree of its own to write to. */
async function inTurn<T, R>(together: boolean, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  if (together) return allEnded(items.map(work));
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

interface BatchOptions extends Omit<DeferredOptions, "digest"> {
  readonly digest: (root: string, o: Reads) => string | Promise<string>;
  /** false: somebody changes the tree meanwhile. */
  readonly still?: boolean;
}

async function runBatch(o: BatchOptions, root: string, given: readonly Call[]): Promise<Outcome> {
  const name = given[0]!.argv[0]!;
  const program = programs[name]!;
  const batch = program.asFew?.(given) ?? given;
  const calls = batch.map((c) => c.argv);
  const work = (at: string) => span(o.emit, name, `deferred ${name}`, () => callAll(o, at, batch));
  const digest = () => o.digest(root, { paths: program.reads(calls), ignore: program.writes, epoch: o.epoch });
  const reads = await digest();
  const inputs = { calls: JSON.stringify(calls), reads, program: o.identity(program.of), engine: o.engine, epoch: String(o.epoch) };
  return o.chain.remember({ name, inputs, root, work, ...(o.still === false && { holds: async () => (await digest()) === reads }), ...(program.readsMore?.(root) && { forget: true }) });
}

async function callAll(o: BatchOptions, root: string, batch: readonly Call[]): Promise<void> {
  const sandbox = await o.sandbox();
  for (const { pkg, argv } of batch) {
    const r = await inSandbox(sandbox, root, { argv, env: { DEBIAN_FRONTEND: "noninteractive" }, onOutput: (text) => o.log(argv[0]!, text), ok: anyStatus });
    if (r.code === 0) continue;
    throw new UserError("configure.failed", `\`${argv.join(" ")}\`${pkg === "-" ? "" : `, which \`${pkg}\` asks for,`} ended with status ${r.code}`, {
      details: lastLines(r.all), hint: "`debcast shell --failed` opens a shell where it happened",
    });
  }
}

// ── What it reads ──────────────────────────────────────────────────────────────────────────────────────────────────

function hasOtherFonts(root: string, dir: string): boolean {
  const known = [...fontDirs, "/usr/X11R6/lib/X11/fonts", "/usr/share/fonts/X11"];
  return list(root, dir).some((name) => {
    const at = resolveIn(root, `${dir}/${name}`);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return hasOtherFonts(root, `${dir}/${name}`);
    if (!stat?.isFile()) return false;
    const dirs = [...readFileSync(at, "utf8").matchAll(/<dir(?:\s[^>]*)?>([^<]*)<\/dir>/g)].map((m) => m[1]!.trim());
    return dirs.some((d) => d.startsWith("/") && !known.some((k) => d === k || d.startsWith(`${k}/`)));
  });
}

function list(root: string, dir: string): string[] {
  const at = resolveIn(root, dir);
  return lstatSync(at, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(at) : [];
}

// ── What it changed ────────────────────────────────────────────────────────────────────────────────────────────────

/** Directories that hold nothing of the image. */
const passing = /^\/(dev|proc|sys|run|tmp|var\/tmp|var\/log)(\/|$)/;

function copiedBeside(from: string, s: Stats, to: string): boolean {
  const fd = openSync(to, "wx", 0o600);
  if (fillBeside({ fd, from, offset: 0, size: s.size, owner: [s.uid, s.gid], mode: s.mode & 0o7777, mtime: s.mtimeMs / 1000 })) return true;
  closeSync(fd);
  return false;
}

/** Puts what a program changed, as the layer `tree` has it, into the tree at `root`. */
function apply(tree: string, root: string): void {
  walk(tree, (path, s) => {
    if (passing.test(path)) return;
    const at = root + path;
    const there = lstatSync(at, { throwIfNoEntry: false });
    if (s.isDirectory() && there?.isDirectory()) return;
    if (there) rmSync(at, { recursive: true });
    if (isGone(s)) return;
    if (s.isDirectory()) mkdirSync(at);
    else if (s.isSymbolicLink()) symlinkSync(readlinkSync(tree + path), at);
    else if (s.size >= worthHandingOver && copiedBeside(tree + path, s, at)) return;
    else copyFileSync(tree + path, at);
    lchownSync(at, s.uid, s.gid);
    if (!s.isSymbolicLink()) chmodSync(at, s.mode & 0o7777);
    lutimesSync(at, s.atimeMs / 1000, s.mtimeMs / 1000);
  });
}
