// What the scriptlets said, in order, before anything is done.
import type { BootTest, Disk, Image, FileSteps, Steps, Mirror, User } from "../api.ts";
import type { Where } from "../errors.ts";
import type { Project } from "../project.ts";

export type { BootTest, Disk, Mirror, User };

/** A checked image definition with its defaults filled in. */
export interface Conf extends Omit<Image, "options" | "components" | "updates" | "security" | "locale" | "timezone" | "users" | "cmdline" | "excludes" | "listens" | "mirrors"> {
  /** NAME of conf/NAME.ts. */
  readonly name: string;
  /** Absolute path of conf/NAME.ts. */
  readonly file: string;
  /** Absolute path of its lock, where that is not beside it. */
  readonly lockFile?: string;
  /** Absolute paths of everything that it imports, itself included. */
  readonly inputs?: readonly string[];
  readonly options: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: readonly string[];
  readonly updates: boolean;
  readonly security: boolean;
  readonly locale: string;
  readonly timezone: string;
  readonly users: readonly User[];
  readonly cmdline: readonly string[];
  readonly excludes: readonly string[];
  readonly listens: readonly string[];
  readonly mirrors: readonly Mirror[];
}

/** One `installDeb` argument, with the line that said it. */
export type PlannedDeb =
  /** `name`, `name:arch`, `name=version`. */
  | { kind: "name"; spec: string; name: string; arch?: string; version?: string; where: Where }
  /** `linux-image-*`: one dependency of a planned package. */
  | { kind: "pattern"; spec: string; where: Where }
  /** `./x.deb`; `path` is absolute. */
  | { kind: "file"; spec: string; path: string; where: Where }
  /** buildDeb(): `dir` is absolute. */
  | { kind: "build"; spec: string; dir: string; control: BuiltControl; where: Where };

export interface BuiltControl {
  readonly name: string;
  readonly version: string;
  readonly depends: readonly string[];
  readonly units: readonly string[];
}

export interface PlannedDownload {
  readonly url: string;
  readonly sha256: string;
  readonly where: Where;
}

export interface PlannedBootTest {
  readonly name: string;
  readonly fn: (c: BootTest) => void | PromiseLike<void>;
  readonly where: Where;
}

export interface PlannedScriptlet {
  readonly name: string;
  /** Absolute path of base/NAME.ts. */
  readonly file: string;
  /** base/NAME/, absolute; it need not exist. */
  readonly folder: string;
  /** Scriptlets it needs, with the lines. */
  readonly needs: readonly { name: string; where: Where }[];
  readonly debs: readonly PlannedDeb[];
  readonly debconf: readonly { text: string; where: Where }[];
  readonly excludes: readonly { glob: string; where: Where }[];
  readonly downloads: readonly PlannedDownload[];
  /** Names only, never values. */
  readonly secrets: readonly string[];
  /** Top-level keys of `conf` that it read, and whether it has options. */
  readonly confReads: readonly string[];
  /** Absolute paths of every file that went into its bundle. */
  readonly inputs: readonly string[];
  /** SHA-256 of the bundle. */
  readonly bundle: string;
  readonly before: readonly ((c: FileSteps) => void)[];
  readonly run: readonly ((c: Steps) => void | PromiseLike<void>)[];
  readonly runLast: readonly ((c: Steps) => void | PromiseLike<void>)[];
  readonly bootTests: readonly PlannedBootTest[];
  /** Finds the line of the scriptlet's source in an error thrown by one of its functions, or by now (`new Error()`). */
  readonly whereOf: (error: unknown) => Where;
}

export interface Plan {
  readonly project: Project;
  readonly conf: Conf;
  /** In the order in which they are run. */
  readonly scriptlets: readonly PlannedScriptlet[];
}
