// Where programs of an image run: own mount, PID, IPC, UTS and network namespaces, few capabilities, nothing of the host to see.
// The root of these namespaces is the tools tree, read-only; PID 1 stays there, outside of the image, so that ischroot(1) is
// true for what runs in the chroot below it. When PID 1 ends, every process and mount ends with it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "./errors.ts";
import { run, type RunOptions, type RunResult } from "./run.ts";

export interface Sandbox {
  /** The tools tree, with the mount points image/, in/, out/, old/, proc/, dev/ and tmp/. */
  readonly tools: string;
  /** SOURCE_DATE_EPOCH for whatever runs. */
  readonly epoch: number;
}

export interface SandboxOptions {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Directory in the image (default `/`). */
  readonly cwd?: string;
  /** A user of the image (default root). */
  readonly user?: string;
  readonly stdin?: string | Uint8Array;
  /** The host's network, and its resolv.conf laid over the image's. */
  readonly network?: boolean;
  /** fsync and its like do nothing (default true). */
  readonly eatmydata?: boolean;
  /** A person sits at the terminal. */
  readonly interactive?: boolean;
  readonly onOutput?: (text: string) => void;
  readonly ok?: readonly number[];
  readonly what?: string;
}

export interface ToolsOptions extends Pick<RunOptions, "onOutput" | "ok" | "what" | "input"> {
  readonly argv: readonly string[];
  /** Directories of the host, at mount points of the tools tree. */
  readonly binds: readonly { readonly from: string; readonly to: "/image" | "/in" | "/out"; readonly ro?: boolean }[];
}

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What is left in the bounding set: what docker leaves, less mknod, which a user namespace refuses anyway. So root's build
 * can do no more than a normal user's, and CAP_DAC_READ_SEARCH, with which files outside could be opened by handle, is gone.
 */
const capabilities = [
  "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "setfcap", "net_bind_service", "net_raw", "sys_chroot",
  "audit_write",
];

/** Runs a program of the image `root` in its sandbox. */
export async function inSandbox(s: Sandbox, root: string, o: SandboxOptions): Promise<RunResult> {
  const who = o.user === undefined ? [] : userOptions(root, o.user);
  const preload = o.eatmydata === false ? [] : ["/usr/bin/env", "LD_PRELOAD=/dev/.eatmydata.so"];
  const inDir = o.cwd === undefined ? [] : ["/usr/bin/env", `--chdir=${o.cwd}`];
  const command = [...dropCapabilities, "/usr/sbin/chroot", ...who, "/image", ...inDir, ...preload, ...o.argv];
  const env = { PATH: path, HOME: "/root", LC_ALL: "C.UTF-8", SOURCE_DATE_EPOCH: String(s.epoch), ...o.env };
  return run([...unshare(o.network === true), "sh", "-euc", imageSetup, "sandbox", s.tools, root, o.network ? "network" : "", ...command], {
    env,
    ...(o.stdin !== undefined && { input: o.stdin }),
    ...(o.interactive && { stdin: 0, stdout: "inherit" as const, stderr: "inherit" as const }),
    ...(o.onOutput && { onOutput: o.onOutput }),
    ...(o.ok && { ok: o.ok }),
    ...(o.what && { what: o.what }),
  });
}

/** Runs a program of the tools tree, with directories bound into it. */
export async function inTools(s: Sandbox, o: ToolsOptions): Promise<RunResult> {
  const binds = o.binds.flatMap((b) => [b.from, b.to, b.ro ? "ro" : "rw"]);
  const { argv, binds: _, ...rest } = o;
  return run([...unshare(false), "sh", "-euc", toolsSetup, "tools", s.tools, String(o.binds.length), ...binds, ...dropCapabilities, ...argv], {
    env: { PATH: path, LC_ALL: "C.UTF-8", TZ: "UTC0", SOURCE_DATE_EPOCH: String(s.epoch) },
    ...rest,
  });
}

const dropCapabilities = ["setpriv", `--bounding-set=-all,${capabilities.map((c) => `+${c}`).join(",")}`, "--inh-caps=-all"];

function unshare(network: boolean): string[] {
  return [
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--propagation", "private", "--ipc", "--uts", ...(network ? [] : ["--net"]),
  ];
}

/** Into the tools tree, read-only; then `"$@"` as a child, so that PID 1 stays out here. */
const enter = `
mount -t proc -o ro,nosuid,nodev,noexec proc "$tools/proc"
mount -o remount,bind,ro "$tools"
cd "$tools"
pivot_root . old
exec chroot . /bin/sh -c 'umount -l /old || exit 125; "$@"' sh "$@"
`;

const imageSetup = `
tools=$1 root=$2 network=$3; shift 3
echo debcast > /proc/sys/kernel/hostname
mount --bind "$tools" "$tools"
image=$tools/image
mount --bind "$root" "$image"
mkdir -p "$image/proc" "$image/sys" "$image/dev"
mount -t tmpfs -o mode=755,nosuid dev "$image/dev"
mount -t proc -o ro,nosuid,nodev,noexec proc "$image/proc"
: > "$image/dev/.empty"
mount --bind "$image/dev/.empty" "$image/proc/swaps"
rm "$image/dev/.empty"
mount -t tmpfs -o ro,nosuid,nodev,noexec sys "$image/sys"
for node in null zero full random urandom tty; do : > "$image/dev/$node"; mount --bind /dev/$node "$image/dev/$node"; done
mkdir "$image/dev/pts" "$image/dev/shm"
chmod 1777 "$image/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$image/dev/pts"
ln -s pts/ptmx "$image/dev/ptmx"
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "/proc/self/\${link#*:}" "$image/dev/\${link%%:*}"; done
for so in "$tools"/usr/lib/*-linux-gnu/libeatmydata.so; do if [ -e "$so" ]; then cp "$so" "$image/dev/.eatmydata.so"; fi; done
if [ -n "$network" ] && [ -e "$image/etc/resolv.conf" ]; then mount --bind "$(readlink -f /etc/resolv.conf)" "$(chroot "$image" readlink -f /etc/resolv.conf | sed "s|^|$image|")"; fi
${enter}`;

const toolsSetup = `
tools=$1 count=$2; shift 2
mount --bind "$tools" "$tools"
mount -t tmpfs tmp "$tools/tmp"
while [ "$count" -gt 0 ]; do
  mount --bind "$1" "$tools$2"
  if [ "$3" = ro ]; then mount -o remount,bind,ro "$tools$2"; fi
  shift 3; count=$((count - 1))
done
${enter}`;

/** A user of the image by its own passwd and group files. */
function userOptions(root: string, name: string): string[] {
  const rows = (file: string) => readFileSync(join(root, file), "utf8").split("\n").map((l) => l.split(":"));
  const user = rows("etc/passwd").find((r) => r[0] === name);
  if (!user) throw new UserError("sandbox.no-user", `the image has no user \`${name}\``);
  const groups = rows("etc/group").filter((r) => r[3]?.split(",").includes(name)).map((r) => r[2]);
  return [`--userspec=${user[2]}:${user[3]}`, `--groups=${[user[3], ...groups].join(",")}`];
}
