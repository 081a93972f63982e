// Runs preinst scripts and dpkg in the image, keeps what each package says apart, and turns a failing script into an error that
// says whose it is.
import { randomBytes } from "node:crypto";
import { UserError, type Where } from "../errors.ts";
import type { Emit } from "../events.ts";
import { anyStatus, lastLines } from "../run.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { deferrable, type Call } from "./deferred.ts";
import type { Package } from "./package.ts";

export interface ScriptContext {
  readonly root: string;
  readonly sandbox: Sandbox;
  readonly emit: Emit;
  readonly log: (pkg: string, text: string) => void;
  /** Of the dpkg in the image: preinst scripts may ask. */
  readonly dpkgVersion: string;
  /** Configuration files that a scriptlet has put there before are kept. */
  readonly ownFiles: boolean;
  /** The line that asked for a package. */
  readonly whereOf?: (pkg: string) => Where | undefined;
}

const environment = { DEBIAN_FRONTEND: "noninteractive", DEBCONF_NONINTERACTIVE_SEEN: "true" };
// What comes first in PATH for maintainer scripts, in the sandbox's own /dev/shm, so that nothing of it is in the image: an
// update-initramfs that does nothing, and programs that only note that they were called (deferred.ts). INITRD=No would keep the
// initramfs away too, but then the links to it are not made. Programs that the image lacks must not seem to be there.
// One pipe for both outputs: through two, an error may overtake what was said before it.
const shims = `
exec 2>&1
bin=/dev/shm/.debcast
mkdir -p $bin
cat >$bin/update-initramfs <<'END'
#!/bin/sh
case "$*" in *--version*) echo "initramfs-tools (later)" ;; esac
END
for program in ${deferrable.join(" ")}; do
  command -v $program >/dev/null || continue
  cat >$bin/$program <<'END'
#!/bin/sh
case "$*" in *[!A-Za-z0-9\\ ./_+:=-]*|*--version*|*--help*) PATH=\${PATH#*:} exec "\${0##*/}" "$@" ;; esac
{ printf '%s' "\${DPKG_MAINTSCRIPT_PACKAGE:--}"; printf '\\t%s' "\${0##*/}" "$@"; printf '\\t;\\n'; } >>/dev/shm/.debcast/.later
echo "\${0##*/} $*: later"
END
done
chmod 755 $bin/*
$bin/update-initramfs
PATH=$bin:$PATH
`;

// One shell for all of a wave, as dpkg does it: from tmp.ci, where debconf finds the templates, in `/`, with no input.
const preinstDriver = `${shims}
mark=$1; shift
cd /
while [ $# -gt 0 ]; do
  rm -rf /var/lib/dpkg/tmp.ci
  mv "$1" /var/lib/dpkg/tmp.ci
  echo "$mark $2"
  DPKG_MAINTSCRIPT_PACKAGE=$2 DPKG_MAINTSCRIPT_ARCH=$3 /var/lib/dpkg/tmp.ci/preinst install </dev/null
  shift 3
done
rm -rf /var/lib/dpkg/tmp.ci /var/lib/dpkg/debcast.ci`;

/** Runs the preinst of each package, one after the other. `staged` is where its control files wait. */
export async function runPreinsts(c: ScriptContext, pkgs: readonly { pkg: Package; staged: string }[]): Promise<void> {
  const mark = `debcast-${randomBytes(8).toString("hex")}`;
  const sections = splitter({ ...c, mark }, (line) => (line.startsWith(`${mark} `) ? { name: line.slice(mark.length + 1), silent: true } : undefined));
  const r = await inSandbox(c.sandbox, c.root, {
    argv: ["/bin/sh", "-euc", preinstDriver, "preinst", mark, ...pkgs.flatMap(({ pkg, staged }) => [staged, pkg.name, pkg.arch])],
    env: {
      ...environment, DPKG_MAINTSCRIPT_NAME: "preinst", DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT: "1", DPKG_MAINTSCRIPT_DEBUG: "0",
      DPKG_ADMINDIR: "/var/lib/dpkg", DPKG_ROOT: "", DPKG_RUNNING_VERSION: c.dpkgVersion, DPKG_FORCE: "security-mac,downgrade",
    },
    onOutput: sections.add,
    ok: anyStatus,
  });
  sections.end();
  if (r.code === 0) return;
  const failed = pkgs.find(({ pkg }) => pkg.name === sections.current());
  if (!failed) throw new UserError("configure.failed", `the preinst scripts could not be run (status ${r.code})`, { details: lastLines(r.stdout + r.stderr) });
  throw scriptFailed(failed.pkg, { script: "preinst", how: `ended with status ${r.code}`, said: sections.said(failed.pkg.name), where: c.whereOf?.(failed.pkg.name) });
}

const dpkgDriver = `${shims}
mark=$1; shift
dpkg "$@"
[ ! -e $bin/.later ] || sed "s/^/$mark /" $bin/.later`;

/** Runs the image's dpkg, and returns what its scripts left for later. `wave` is what it is at, for the errors. */
export async function runDpkg(c: ScriptContext, args: readonly string[], wave: readonly Package[]): Promise<Call[]> {
  const mark = `debcast-${randomBytes(8).toString("hex")}`;
  const calls: Call[] = [];
  const sections = splitter({ ...c, mark }, (line) => {
    if (!line.startsWith(`${mark} `)) return sectionOf(line);
    const [pkg, ...argv] = line.slice(mark.length + 1).split("\t");
    calls.push({ pkg: pkg!, argv: argv.slice(0, -1) });
    return { name: "dpkg", silent: true };
  });
  const r = await inSandbox(c.sandbox, c.root, {
    argv: ["/bin/sh", "-euc", dpkgDriver, "dpkg", mark, ...(c.ownFiles ? ["--force-confold"] : []), ...args],
    env: environment,
    onOutput: sections.add,
    ok: anyStatus,
  });
  sections.end();
  if (r.code !== 0) throw dpkgFailed(r.stdout + r.stderr, { status: r.code, args, wave, said: sections.said, whereOf: c.whereOf });
  return calls;
}

/** Answers debconf's questions beforehand. */
export async function setSelections(c: ScriptContext, lines: readonly string[]): Promise<void> {
  await inSandbox(c.sandbox, c.root, {
    argv: ["debconf-set-selections"], env: environment, stdin: lines.map((l) => `${l.trimEnd()}\n`).join(""), what: "could not preseed debconf",
  });
}

function sectionOf(line: string): { name: string } | undefined {
  if (line.startsWith("Errors were encountered while processing:")) return { name: "dpkg" };
  const m = /^(?:Setting up|Processing triggers for|Unpacking) (\S+?)(?::\S+)? \(/.exec(line);
  return m ? { name: m[1]! } : undefined;
}

function isPackageName(name: string): boolean {
  return /^[a-z0-9][a-z0-9+.-]*$/.test(name);
}

interface Sections {
  add(text: string): void;
  end(): void;
  current(): string;
  said(name: string): string;
}

/** Cuts output into sections at lines that `begins` knows; a section goes to the log when it ends. `mark` is what our own lines begin with. */
function splitter(c: Pick<ScriptContext, "log"> & { mark: string }, begins: (line: string) => { name: string; silent?: boolean } | undefined): Sections {
  const all = new Map<string, string>();
  let name = "dpkg";
  let section = "";
  let pending = "";
  const flush = () => {
    if (section !== "") {
      all.set(name, (all.get(name) ?? "") + section);
      c.log(name, section);
    }
    section = "";
  };
  const line = (text: string) => {
    const found = begins(text.trimEnd());
    // Scripts can say what they like, and names become names of files.
    const next = found && isPackageName(found.name) ? found : undefined;
    if (next) {
      flush();
      name = next.name;
    }
    if (!next?.silent) section += text;
  };
  return {
    add: (text) => {
      // A mark begins a line, whatever was said before it without an end.
      const lines = (pending + text).replace(new RegExp(`(?<=[^\\n])(?=${c.mark})`, "g"), "\n").split(/(?<=\n)/);
      pending = lines.at(-1)?.endsWith("\n") ? "" : (lines.pop() ?? "");
      lines.forEach(line);
    },
    end: () => {
      if (pending !== "") line(pending);
      pending = "";
      flush();
    },
    current: () => name,
    said: (of) => all.get(of) ?? "",
  };
}

function dpkgFailed(output: string, o: { status: number; args: readonly string[]; wave: readonly Package[]; said: (name: string) => string; whereOf: ScriptContext["whereOf"] }): UserError {
  const m = /^dpkg: error processing (?:package|archive) (\S+) \(--\S+\):\n (.*)$/m.exec(output);
  const name = m?.[1]?.replace(/:.*/, "");
  const pkg = o.wave.find((p) => p.name === name || m?.[1]?.startsWith("/"));
  if (!m || !pkg) {
    return new UserError("configure.failed", `\`dpkg ${o.args.join(" ")}\` in the image ended with status ${o.status}`, {
      details: lastLines(output), hint: "`debcast shell --failed` opens a shell where it happened",
    });
  }
  const script = /post-installation script/.test(m[2]!) ? "postinst" : /pre-installation script/.test(m[2]!) ? "preinst" : undefined;
  const how = /exit status (\d+)/.exec(m[2]!) ? `ended with status ${/exit status (\d+)/.exec(m[2]!)![1]}` : m[2]!;
  return scriptFailed(pkg, { script, how, said: o.said(pkg.name) || output, where: o.whereOf?.(pkg.name) });
}

function scriptFailed(pkg: Package, o: { script: string | undefined; how: string; said: string; where: Where | undefined }): UserError {
  const what = o.script ? `the ${o.script} script of \`${pkg.name}\` (${pkg.version}) ${o.how}` : `\`${pkg.name}\` (${pkg.version}) cannot be configured: ${o.how}`;
  return new UserError("configure.failed", what, {
    where: o.where,
    details: lastLines(o.said),
    hint: `\`debcast shell --failed\` opens a shell where it happened\n\`debcast log ${pkg.name}\` shows all that it said`,
  });
}
