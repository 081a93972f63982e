// The shell scripts that make a sandbox. Each process costs a millisecond, and a build makes a hundred sandboxes: so nearly all
// mounts are made by one mount(8) with a table of its own.

/** Directories of the tools tree that something is mounted on; `old` is where the host's root lies for a moment. */
export const mountPoints = ["image", "in", "out", "old", "proc", "dev", "tmp"] as const;

/** What /dev begins as, beside `mountPoints` in the tools tree: plain files to mount device nodes on, and links. */
export const skeleton = {
  dir: "dev.skeleton",
  files: ["null", "zero", "full", "random", "urandom", "tty", ".empty", ".eatmydata.so"],
  links: { fd: "/proc/self/fd", stdin: "/proc/self/fd/0", stdout: "/proc/self/fd/1", stderr: "/proc/self/fd/2", ptmx: "pts/ptmx" },
  dirs: ["pts", "shm"],
} as const;

/** /dev is the sandbox's own, in the image as in the tools tree, so nothing of the library is ever on the image's disk. */
export const preloaded = "/dev/.eatmydata.so";

/** Said when it was the sandbox that failed, and not the program in it. */
export const setUpFailed = "debcast: the sandbox could not be set up";

/** Status that goes with it. */
export const setUpStatus = 125;

export interface Mount {
  readonly from: string;
  /** Path in the tools tree. */
  readonly to: string;
  /** Kind of file system; without one it is a bind. */
  readonly type?: string;
  readonly options: string;
}

/**
 * What is left in the bounding set: what docker leaves, less mknod, which a user namespace refuses anyway. So root's build can
 * do no more than a normal user's; and CAP_DAC_READ_SEARCH, by which files outside can be opened by handle, is gone.
 */
const capabilities = [
  "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "setfcap", "net_bind_service", "net_raw", "sys_chroot",
  "audit_write",
];

const still = "ro,nosuid,nodev,noexec";
const nodes = ["null", "zero", "full", "random", "urandom", "tty"];

/** /proc and /dev of the tools tree itself. */
export function toolsMounts(preload: string | undefined): Mount[] {
  return [
    { from: "proc", to: "/proc", type: "proc", options: still },
    // Read-only keeps mode and owner, which are this machine's own; a device can be written to all the same.
    ...nodes.map((n) => ({ from: `/dev/${n}`, to: `/dev/${n}`, options: "bind,ro,nosuid,noexec" })),
    { from: "devpts", to: "/dev/pts", type: "devpts", options: "newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec" },
    { from: "shm", to: "/dev/shm", type: "tmpfs", options: "mode=1777,nosuid,nodev" },
    { from: "tmp", to: "/tmp", type: "tmpfs", options: "mode=1777,nosuid,nodev" },
    ...(preload === undefined ? [] : [{ from: preload, to: preloaded, options: "bind,ro" }]),
  ];
}

/** What the image sees of this machine: processes of the sandbox, no swap (an initramfs would resume from it), no hardware. */
export function imageMounts(tools: string, root: string): Mount[] {
  return [
    { from: root, to: "/image", options: "bind" },
    { from: "proc", to: "/image/proc", type: "proc", options: still },
    { from: `${tools}/dev/.empty`, to: "/image/proc/swaps", options: "bind,ro" },
    { from: "sys", to: "/image/sys", type: "tmpfs", options: still },
    { from: `${tools}/dev`, to: "/image/dev", options: "rbind" },
  ];
}

/**
 * The outermost shell, on the host; bash, which can close files above 9 (`leaked`). `$PPID` is looked at after the signal of the
 * parent's death has been asked for: whoever was killed before is noticed here, whoever is killed later takes this one along.
 * What node calls a pipe is a socket, which no script can open as /dev/stderr: so those in `piped` go through a real one.
 */
export function outerScript(o: { parent: number; leaked: readonly number[]; piped: readonly (1 | 2)[]; network: boolean }): string {
  const close = o.leaked.map((fd) => `exec ${fd}>&-; `).join("");
  const pipes = o.piped.map((fd) => `exec ${fd}> >(exec cat >&${fd}); `).join("");
  const net = o.network ? "" : " --net";
  const namespaces = `--pid --fork --kill-child=KILL --mount --propagation private --ipc --uts${net}`;
  return `[ "$PPID" = ${o.parent} ] || exit ${setUpStatus}; ${close}${pipes}exec unshare ${namespaces} sh -c "$1" "$0" $$ "$@"`;
}

/** PID 1. Its arguments: the process that holds the namespaces, two scripts, then what to run. */
export function setUpScript(tools: string, mounts: readonly Mount[]): string {
  const table = mounts.map((m) => [m.from, tools + m.to, m.type ?? "none", m.options].map(inTable).join(" ") + " 0 0\n").join("");
  return `set -eu
trap 'echo "${setUpFailed}" >&2; exit ${setUpStatus}' EXIT
[ -d "/proc/$1" ]
umask 022
hostname debcast
cd ${quote(tools)}
mount -n --bind -o ro . .
cd ${quote(tools)}
mount -n -t tmpfs -o mode=755,nosuid,noexec dev dev
cp -a ${skeleton.dir}/. dev
printf %s ${quote(table)} > dev/.mounts
mount -n -a -T dev/.mounts
: > dev/.mounts
pivot_root . old
umount -n -l /old
cd /
shift 2
trap - EXIT
exec setpriv --bounding-set=-all${capabilities.map((c) => `,+${c}`).join("")} --inh-caps=-all sh -c "$@"`;
}

/**
 * The last shell is PID 1 from then on, outside of the image, so that ischroot(1) is true inside; when it ends, all ends. The
 * environment comes under other names, so that none of it has meant anything to what ran before.
 */
export function lastScript(env: readonly string[]): string {
  const take = env.map((name, i) => `export ${name}="$DEBCAST_${i}"; unset DEBCAST_${i}\n`).join("");
  return `unset PWD OLDPWD SHLVL _\n${take}"$@"\nexit $?`;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As in fstab(5). */
function inTable(field: string): string {
  return field.replace(/[\s\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
