// What scriptlets and confs import as "debcast": types only. The functions themselves are made anew for each plan and each
// scriptlet by plan/module.ts, so that two confs share nothing and every call knows who made it.

/** Names of scriptlets with what they export; filled by the generated .debcast/names.d.ts. */
export interface Scriptlets {}
/** Names of the packages in the locks; filled by the generated .debcast/names.d.ts. */
export interface Packages {}

type Name = keyof Scriptlets & string;
type Path = `/${string}`;
type Unit = `${string}.${"service" | "socket" | "timer" | "target" | "mount" | "path"}`;

// ── At module level ────────────────────────────────────────────────────────────────────────────────────────────────

/** Plans another scriptlet before this one and returns its exports. */
export declare function need<N extends Name>(name: N): Scriptlets[N];
export declare function need(...names: [Name, Name, ...Name[]]): void;
/** Orders this scriptlet after others, if they are planned at all. */
export declare function after(...names: Name[]): void;
/**
 * Installs packages: `name`, `name:arch`, `name=version`, a pattern such as `linux-image-*` (it must match exactly one
 * dependency of a planned package), `./x.deb` (beside the scriptlet's files), or what `buildDeb` returned.
 */
export declare function installDeb(...debs: [Deb, ...Deb[]]): void;
type Deb = (keyof Packages & string) | (string & {}) | LocalDeb;
/** Makes a .deb of the files in `base/NAME/DIR`, laid out as in the image. `units` are enabled, each by its `[Install]`; a template needs a `DefaultInstance`. */
export declare function buildDeb(dir: string, control: { name: string; version: string; depends?: string[]; units?: Unit[] }): LocalDeb;
/** A file from elsewhere, fetched with the packages and kept like them. */
export declare function download(url: string, pin: { sha256: string }): Download;
/** Answers debconf questions: lines `PACKAGE QUESTION TYPE VALUE`. */
export declare function debconf(preseed: string): void;
/** Paths that are never unpacked, as globs (`*` crosses no `/`, `**` does). */
export declare function exclude(...globs: Path[]): void;
/** A value from `secrets/NAME` or the environment (`DEBCAST_SECRET_NAME`); it cannot be made a string. */
export declare function secret(name: string): Secret;
/** Stops with a message of the scriptlet's own. */
export declare function fail(message: string, hint?: string): never;
/** Files that maintainer scripts must see: placed before the packages are configured. */
export declare function before(fn: (c: FileSteps) => void): void;
/** What is done after every package is configured. */
export declare function run(fn: (c: Steps) => void | PromiseLike<void>): void;
/** Trimming: after initramfs, caches and all else are settled. */
export declare function runLast(fn: (c: Steps) => void | PromiseLike<void>): void;
/**
 * Something to be seen on the running machine, looked for by `debcast boot-test`. It runs on the host once the machine is up; more than
 * one are run in the order of the plan.
 */
export declare function bootTest(name: string, fn: (c: BootTest) => void | PromiseLike<void>): void;
/** The image definition, read-only. */
export declare const conf: Readonly<Omit<Image, "options"> & { name: string }>;

// ── Options ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a conf may set under `options: { NAME: … }`. A plain value is a default and gives the type. */
export declare function defineOptions<const S extends Schema>(schema: S): Values<S>;
export declare function text(o?: { match?: RegExp }): Field<string>;
export declare function int(o?: { min?: number; max?: number }): Field<number>;
export declare function oneOf<const T extends string | number>(...v: T[]): Field<T>;
export declare function listOf<T>(f: Field<T>): Field<readonly T[]>;
export declare function optional<T>(f: Field<T>): Field<T | undefined, true>;

declare const t: unique symbol, s: unique symbol;
interface Field<T, Opt extends boolean = false> { readonly [t]: [T, Opt] }
type Schema = { readonly [k: string]: Field<any, boolean> | string | number | boolean };
type Value<F> = F extends Field<infer T, boolean> ? T : F extends string ? string : F extends number ? number : boolean;
type Values<S extends Schema> = { readonly [K in keyof S]: Value<S[K]> } & { readonly [s]: S };
type Must<S> = { [K in keyof S]: S[K] extends Field<any, false> ? K : never }[keyof S];
type Given<S> = { readonly [K in Must<S>]: Value<S[K]> } & { readonly [K in Exclude<keyof S, Must<S>>]?: Value<S[K]> };
export type Options = {
  readonly [N in Name as Scriptlets[N] extends { options: { [s]: Schema } } ? N : never]?:
    Scriptlets[N] extends { options: { [s]: infer S } } ? Given<S> : never;
};

// ── In before(), run() and runLast() ───────────────────────────────────────────────────────────────────────────────

type Content = string | Text | Secret;
/**
 * Text of several lines: the line break after the opening backtick, common indentation and that of the closing backtick go, so
 * it ends with a line break. Takes secrets.
 */
export declare function lines(t: TemplateStringsArray, ...v: (string | number | Secret)[]): Text;
/** Mode, owner and group by name, and the units that a running device restarts when this file changes. */
type Attr = { mode?: number; owner?: string; group?: string; restart?: readonly Unit[] };

export interface FileSteps {
  /** Copies files or directories of `base/NAME/`, or a download; a `to` that ends in `/` is a directory. */
  copy(from: string | Download | readonly string[], to: Path, a?: Attr): Step;
  /** Lays the tree `base/NAME/DIR` (default `overlay`) over the image. */
  overlay(dir?: string): Step;
  write(to: Path, what: Content, a?: Attr): Step;
  append(to: Path, what: Content): Step;
  /** Replaces text in a file; it is an error when nothing matches, or more than `times` (default 1). */
  edit(path: Path, find: string | RegExp, put: string | ((...m: string[]) => string), o?: { times?: number | "any" }): Step;
  mkdir(path: Path, a?: Attr): Step;
  symlink(target: string, at: Path): Step;
  /** Removes files and trees by glob; it is an error when nothing matches. */
  remove(...globs: [Path, ...Path[]]): Step;
  /** Unpacks a tar archive (a download, or a file of `base/NAME/`) below a directory of the image. */
  unpack(what: Download | string, to: Path): Step;
}

export interface Steps extends FileSteps {
  enable(...u: [Unit, ...Unit[]]): Step;
  disable(...u: [Unit, ...Unit[]]): Step;
  mask(...u: [Unit, ...Unit[]]): Step;
  /** Writes a unit of the image's own and, if asked, enables it. */
  unit(name: Unit, what: Content, o?: { enable?: boolean }): Step;
  /** Makes a user, or changes one that is there. */
  user(name: string, o?: Partial<User>): Step;
  /** `sh -euc` inside the image; every `${}` is one word, an array is several. */
  inImage: Shell;
  /** `sh -euc` on the host, in `base/NAME/`. */
  onHost: Shell;
  read(path: Path): PromiseLike<string>;
  exists(path: Path): PromiseLike<boolean>;
  glob(...g: Path[]): PromiseLike<Path[]>;
  /** Whether a scriptlet is in this plan. */
  planned(name: Name): boolean;
  /** The image's tree on the host. */
  readonly image: string;
  /** The scriptlet's folder, `base/NAME/`. */
  readonly here: string;
}

export interface BootTest {
  /** `sh -euc` as root in the running machine; every `${}` is one word, an array is several. Its standard output, without the last line break. */
  inVm(script: TemplateStringsArray, ...words: (Word | readonly Word[])[]): Promise<string>;
  expect(value: unknown): Expectation;
  /** Plugs a USB serial adapter into the machine. */
  usbSerial(): Promise<UsbSerial>;
  /** Calls `look` until it throws no more, or for so many seconds (default 30). */
  until(look: () => void | PromiseLike<void>, seconds?: number): Promise<void>;
}

export interface Expectation {
  readonly not: Expectation;
  toBe(value: unknown): void;
  /** Of the same form and content. */
  toEqual(value: unknown): void;
  /** Text has this part, a list this element. */
  toContain(part: unknown): void;
  toMatch(pattern: RegExp): void;
}

/** The other end of the wire. */
export interface UsbSerial {
  send(text: string): void;
  /** All that came from the machine so far. */
  received(): string;
  unplug(): Promise<void>;
}

type Step = PromiseLike<void>;
type Word = string | number;
export interface Shell {
  (script: TemplateStringsArray, ...words: (Word | readonly Word[])[]): PromiseLike<{ stdout: string; stderr: string }>;
  with(o: { env?: Record<string, string | Secret>; cwd?: Path; user?: string; stdin?: Content; network?: boolean }): Shell;
}

declare const b: unique symbol;
interface Brand<K> { readonly [b]: K }
export type LocalDeb = Brand<"deb">;
export type Download = Brand<"download">;
export type Secret = Brand<"secret">;
export type Text = Brand<"text">;

// ── conf/NAME.ts ───────────────────────────────────────────────────────────────────────────────────────────────────

export type User = {
  name: string;
  uid?: number;
  groups?: readonly string[];
  sshKeys?: readonly string[];
  /** A hash as of `mkpasswd`, kept as a secret; without one no password opens the account. */
  password?: Secret | "locked";
  shell?: Path;
};

/** Where packages come from. A plain string is a Debian mirror. Several are tried in order, package by package. */
export type Mirror =
  | string
  /** A mirror of Debian's security suites. */
  | { uri: string; security: true }
  /** Another archive, with a suite, components and a keyring (a file in conf/) of its own. */
  | { uri: string; name: string; suite: string; components: readonly string[]; keyring: string };

/** An amount; what is needed, and perhaps more; or the rest of the disk. */
type Size = `${number}${"M" | "G"}` | "rest" | "fit" | `fit+${number}${"M" | "G"}`;

export interface Image {
  suite: "bookworm" | "trixie" | "forky" | "sid";
  arch: "amd64" | "arm64" | "armhf";
  scriptlets: readonly Name[];
  options?: Options;
  hostname: string;
  /** Default `["main"]`. */
  components?: readonly ("main" | "contrib" | "non-free" | "non-free-firmware")[];
  /** Whether SUITE-updates and SUITE-security are merged in. Default true; sid has neither. */
  updates?: boolean;
  security?: boolean;
  /** Default: the Debian mirrors of this machine's own apt sources. */
  mirrors?: readonly Mirror[];
  /** Keyring of the Debian archive: a file in conf/. Default: the one of this machine. */
  keyring?: string;
  /** Default `C.UTF-8`. Any other needs the scriptlet `locale`. */
  locale?: string;
  /** Default `Etc/UTC`. Any other needs the scriptlet `timezone`. */
  timezone?: string;
  users?: readonly User[];
  /** Words of the kernel command line. */
  cmdline?: readonly string[];
  /** Paths that are never unpacked, beside those of the scriptlets. */
  excludes?: readonly Path[];
  /** The disk that it starts from; the scriptlet `disk` sees to it. */
  disk?: Disk;
  /**
   * What listens on the network on a running device, and nothing else does: `tcp:22`. `debcast boot-test` looks. What may be a client's own
   * need not be here: UDP of the ports that the kernel gives to clients (32768 to 60999), and 68 and 546 of DHCP.
   */
  listens?: readonly `${"tcp" | "udp"}:${number}`[];
}

/** The partitions, in the order in which they lie: esp, root, persist, log, data. The last one grows with the disk. */
export interface Disk {
  root: {
    /** Default: what it holds and 256 MB; without a data partition it grows to the end of the disk. */
    size?: Size;
    /**
     * `rw` (default): an ordinary Debian. `overlay`: what is written goes to RAM, and is gone after a restart. `tmpfs`: all of it is
     * copied to RAM, and the partition is not touched again. In the latter two what has to last lies on /persist, and
     * /var/log is a partition that is made anew when it is broken.
     */
    mode?: "rw" | "overlay" | "tmpfs";
    /** How much RAM / may take in the modes that use it. Default `50%`. */
    ram?: `${number}${"M" | "G" | "%"}`;
    /** 2 leaves room for a second system beside the first. */
    slots?: 1 | 2;
  };
  esp?: { size: Size };
  /** Where / does not last. `false`: nothing lasts, and /var/log is in RAM, too. */
  persist?: { size: Size } | false;
  log?: { size: Size };
  data?: { size: Size; mount: Path };
}

export declare function defineImage(image: Image): Image;

// ── conf/devices.ts ────────────────────────────────────────────────────────────────────────────────────────────────

/** A device that `debcast push` and its like are told of by name. */
export interface Device {
  /** As ssh takes it: `root@10.0.0.7`, or a `Host` of your ssh config. Another user than root becomes root with sudo. */
  host: string;
  /** Default: what your ssh config says, or 22. */
  port?: number;
  /** The conf that it runs. Default: the one of `-c`. */
  image?: string;
  /** Paths that belong to the device, and that a push leaves alone. */
  protect?: readonly Path[];
  /** Further options of ssh, as in ssh_config(5): `ProxyJump=gate`. */
  ssh?: readonly `${string}=${string}`[];
}

export declare function defineDevices(devices: { readonly [name: string]: Device }): typeof devices;
