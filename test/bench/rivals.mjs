// The programs that debcast is measured against: how each makes a directory out of exactly one closure, with its .debs at hand.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";

const eatmydataHook = "/usr/share/mmdebstrap/hooks/eatmydata";

/** Mounts that one leaves when it is interrupted go with its namespace: a tree with the host's /sys in it must not be removed. */
const enclosed = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** dpkg's way to say what the gateway leaves out (base/rm.ts), so that the rival need not write it either. */
const leftOut = [
  "/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/bug/*", "/usr/share/doc-base/*",
  "/usr/share/bash-completion/completions/*", "/usr/share/zsh/*", "/usr/share/fish/*", "/usr/share/locale/*/LC_MESSAGES/*",
  "/usr/share/doc/*/changelog*", "/usr/share/doc/*/NEWS*", "/usr/share/doc/*/README*", "/usr/share/doc/*/examples*",
];

const mmdebstrap = {
  name: "mmdebstrap",
  title: "mmdebstrap + eatmydata",
  images: ["gateway", "minbase"],
  absent: () => missing("mmdebstrap", "eatmydata", "dpkg-architecture") ?? (existsSync(eatmydataHook) ? undefined : "it has no eatmydata hook here"),
  command: ({ image, closure, repository, suite, target }) => [
    ...enclosed,
    "mmdebstrap", "--mode=root", "--format=directory", "--variant=essential", `--include=${names(closure)}`, `--hook-dir=${eatmydataHook}`,
    `--setup-hook=mkdir -p "$1"/var/cache/apt/archives && cp -l ${quoted(repository.pool)}/*.deb "$1"/var/cache/apt/archives/`,
    "--skip=check/signed-by",
    ...(image === "gateway" ? leftOut.map((glob) => `--dpkgopt=path-exclude=${glob}`) : []),
    suite, target, `deb [trusted=yes] copy://${repository.dir} ${suite} main`,
  ],
};

const debootstrap = {
  name: "debootstrap",
  title: "debootstrap",
  // It resolves nothing beyond a base system, and takes many minutes for more.
  images: ["minbase"],
  absent: () => missing("debootstrap"),
  command: ({ closure, repository, suite, target }) => [
    ...enclosed,
    "debootstrap", "--variant=minbase", "--arch=amd64", "--no-check-gpg", `--cache-dir=${repository.pool}`, `--include=${names(closure)}`,
    suite, target, `file://${repository.dir}`,
  ],
};

/** Earlier ones call debootstrap, and know other options. */
const leastMkosi = 25;

const mkosi = {
  name: "mkosi",
  title: "mkosi",
  images: ["gateway", "minbase"],
  absent: () => missing("mkosi", "apt-get") ?? (mkosiVersion() < leastMkosi ? `it is older than ${leastMkosi}` : undefined),
  // It mounts a local mirror into its sandbox and installs from there; `--directory=` is no configuration but this. Not bootable: no
  // initrd of its own kind, Debian's is made as everywhere.
  command: ({ closure, repository, suite, target }) => [
    "mkosi", "--directory=", "--distribution=debian", `--release=${suite}`, "--architecture=x86-64", "--format=directory",
    `--local-mirror=file://${repository.dir}`, `--package=${names(closure)}`, "--bootable=no", "--with-docs=no", "--clean-package-metadata=no",
    `--output-directory=${dirname(target)}`, `--workspace-directory=${dirname(target)}`, `--package-cache-directory=${join(dirname(target), "mkosi-cache")}`,
    `--output=${basename(target)}`, "build",
  ],
};

const rivals = [mmdebstrap, debootstrap, mkosi];

/** Those that can run, and why others cannot. `wanted`: names, or all when empty. */
export function rivalsHere(wanted) {
  const skipped = new Map();
  const here = rivals.filter((r) => {
    const why = reasonAgainst(r, wanted);
    if (why !== undefined) skipped.set(r.name, why);
    return why === undefined;
  });
  return { here, skipped };
}

export function rivalNames() {
  return rivals.map((r) => r.name);
}

function reasonAgainst(rival, wanted) {
  if (wanted.length > 0 && !wanted.includes(rival.name)) return "not asked for";
  if (process.getuid?.() !== 0) return "it wants root to make a directory whose owners are right";
  return rival.absent();
}

function mkosiVersion() {
  return parseInt(/\d+/.exec(spawnSync("mkosi", ["--version"], { encoding: "utf8" }).stdout ?? "")?.[0] ?? "0");
}

function missing(...programs) {
  const path = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const gone = programs.filter((p) => !path.some((dir) => existsSync(join(dir, p))));
  return gone.length === 0 ? undefined : `not installed: ${gone.join(", ")}`;
}

function names(closure) {
  return closure.map((d) => d.name).join(",");
}

function quoted(path) {
  return `'${path.replace(/'/g, "'\\''")}'`;
}
