// Why a build cannot have its namespaces on this machine, and the line that mends it.
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { UserError } from "../errors.ts";

/** What there is to see of the machine. */
export interface Facts {
  readonly root: boolean;
  readonly user: string;
  readonly uid: number;
  readonly newuidmap: boolean;
  readonly container: boolean;
  /** A file's text, if it can be read. */
  readonly read: (file: string) => string | undefined;
}

/** Debian gives ids up to 65534 (nogroup), and every one of them must be somebody. */
const wanted = 65_535;

export function readFacts(): Facts {
  const uid = process.getuid!();
  return {
    root: uid === 0,
    user: userName(uid),
    uid,
    newuidmap: inPath("newuidmap") && inPath("newgidmap"),
    container: existsSync("/.dockerenv") || existsSync("/run/.containerenv") || readIfThere("/run/systemd/container") !== undefined,
    read: readIfThere,
  };
}

/** What can be known without trying. */
export function whatIsMissing(f: Facts): UserError | undefined {
  if (f.root) return undefined;
  if (!f.newuidmap) {
    return new UserError("namespace.no-uidmap", "a build as a normal user needs `newuidmap` and `newgidmap`, which this machine lacks", {
      hint: "sudo apt-get install uidmap",
    });
  }
  const sysctl = forbidding(f);
  if (sysctl) {
    return new UserError("namespace.forbidden", `this machine forbids normal users to make namespaces (\`${sysctl.name}\` is ${sysctl.is})`, {
      hint: `sudo sysctl ${sysctl.name}=${sysctl.be}\nlasting: echo ${sysctl.name}=${sysctl.be} | sudo tee /etc/sysctl.d/60-debcast.conf\nor build as root`,
    });
  }
  const short = ["uid", "gid"].filter((kind) => rangeOf(f, `/etc/sub${kind}`) < wanted);
  return short.length > 0 ? noRange(f, short) : undefined;
}

/** What to say after a try that failed with `said`. */
export function adviceFor(f: Facts, said: string): UserError {
  if (/propagation: Invalid argument/.test(said)) {
    return new UserError("namespace.chroot", "this is a chroot whose root is no mount point, and namespaces need one", {
      details: said,
      hint: "outside of the chroot, before it is entered: mount --bind CHROOT CHROOT",
    });
  }
  if (f.container) {
    return new UserError("namespace.container", "this container may not make the namespaces that a build needs", {
      details: said,
      hint: "start it with `--privileged`, or with `--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`",
    });
  }
  if (f.root) {
    return new UserError("namespace.refused", "root may not make the namespaces that a build needs", {
      details: said,
      hint: "root without CAP_SYS_ADMIN, as in a container, cannot build: give it that, or build as a normal user",
    });
  }
  const apparmor = "kernel.apparmor_restrict_unprivileged_userns";
  if (sysctlOf(f, apparmor) === "1") {
    return new UserError("namespace.apparmor", `AppArmor takes all rights from the namespaces of normal users (\`${apparmor}\` is 1)`, {
      details: said,
      hint: `sudo sysctl ${apparmor}=0\nor build as root`,
    });
  }
  return new UserError("namespace.failed", "a user namespace with subordinate ids could not be made", {
    details: said,
    hint: `\`unshare --user --map-root-user --map-auto --mount true\` must work for \`${f.user}\`; or build as root`,
  });
}

function forbidding(f: Facts): { name: string; is: string; be: string } | undefined {
  const zero = [["kernel.unprivileged_userns_clone", "1"], ["user.max_user_namespaces", "10000"]] as const;
  const found = zero.find(([name]) => sysctlOf(f, name) === "0");
  return found && { name: found[0], is: "0", be: found[1] };
}

function sysctlOf(f: Facts, name: string): string | undefined {
  return f.read(`/proc/sys/${name.replaceAll(".", "/")}`)?.trim();
}

function ranges(f: Facts, file: string): { owner: string; start: number; count: number }[] {
  return (f.read(file) ?? "").split("\n").map((l) => l.split(":")).filter((r) => r.length === 3).map(([owner, start, count]) => ({ owner: owner!, start: Number(start), count: Number(count) }));
}

/** unshare takes the first range of a user, by name or by number. */
function rangeOf(f: Facts, file: string): number {
  return ranges(f, file).find((r) => r.owner === f.user || r.owner === String(f.uid))?.count ?? 0;
}

function noRange(f: Facts, short: readonly string[]): UserError {
  const files = short.map((kind) => `/etc/sub${kind}`);
  const has = Math.min(...files.map((file) => rangeOf(f, file)));
  const taken = ["/etc/subuid", "/etc/subgid"].flatMap((file) => ranges(f, file));
  // Behind every range that somebody has, on a round number.
  const free = Math.max(100_000, ...taken.map((r) => Math.ceil((r.start + r.count - 100_000) / 65_536) * 65_536 + 100_000));
  const add = `sudo usermod ${short.map((kind) => `--add-sub${kind}s ${free}-${free + 65_535}`).join(" ")} ${f.user}`;
  if (has > 0) {
    return new UserError("namespace.few-subids", `the user \`${f.user}\` has only ${has} subordinate ids in ${files.join(" and ")}, and an image needs ${wanted}`, {
      hint: `remove the line of \`${f.user}\` there, then: ${add}`,
    });
  }
  return new UserError("namespace.no-subids", `the user \`${f.user}\` has no subordinate ids in ${files.join(" and ")}, to whom the image's files would belong`, { hint: add });
}

function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function inPath(program: string): boolean {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/bin"].some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
