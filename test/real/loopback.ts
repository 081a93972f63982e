// A device without a machine: the tree of an image in RAM, in namespaces of its own, where the image's own sshd listens on a port of
// loopback. Nothing but sshd runs there, so it is up at once, and ten of them are no more than ten directories. Needs root.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../lib/vm/machine.ts";

export interface Loopback extends AsyncDisposable {
  readonly port: number;
  /** Its tree, seen from here. */
  readonly root: string;
  /** For ssh: who it is, and with which key one logs in. */
  readonly ssh: readonly string[];
  /** Directory with `key`, `known_hosts` and a known_hosts with somebody else's key, `wrong_hosts`. */
  readonly dir: string;
  /** A line of conf/devices.ts. */
  line(name: string, more?: string): string;
  kill(): Promise<void>;
}

/** `$1` is the image, `$2` the directory, `$3` the port, `$4` how large / is, `$5` how it is made. */
const script = `set -e
dir=$2 root=$2/root
if [ "$5" = overlay ]; then
  mkdir "$dir/ram"
  mount -t tmpfs -o "size=$4,mode=755" device "$dir/ram"
  mkdir "$dir/ram/upper" "$dir/ram/work"
  mount -t overlay -o "lowerdir=$1,upperdir=$dir/ram/upper,workdir=$dir/ram/work" device "$root"
else
  mount -t tmpfs -o "size=$4,mode=755" device "$root"
  cp -a "$1/." "$root/"
fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/run/sshd" "$root/root/.ssh"
hostname -F "$root/etc/hostname"
cp "$dir/key.pub" "$root/root/.ssh/authorized_keys"
cp "$dir/host" "$root/etc/ssh/ssh_host_ed25519_key"
for home in "$root"/home/*; do
  [ -d "$home" ] || continue
  mkdir -p "$home/.ssh"; cp "$dir/key.pub" "$home/.ssh/authorized_keys"; chown -R --reference="$home" "$home/.ssh"
done
exec chroot "$root" /usr/sbin/sshd -D -e -p "$3" -o ListenAddress=127.0.0.1 -o PermitRootLogin=prohibit-password -o AllowUsers=root -o PidFile=none -o MaxStartups=100`;

/** Starts one that runs the image in that directory, which must have sshd and rsync. `overlay`: it is up sooner, and nobody may change the image. */
export async function loopback(image: string, o: { size?: string; overlay?: boolean } = {}): Promise<Loopback> {
  const dir = mkdtempSync(join(tmpdir(), "device-"));
  mkdirSync(join(dir, "root"));
  for (const name of ["key", "host", "other"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(dir, name)]);
  const port = await freePort();
  const known = (key: string) => `[127.0.0.1]:${port} ${readFileSync(join(dir, `${key}.pub`), "utf8")}`;
  writeFileSync(join(dir, "known_hosts"), known("host"));
  writeFileSync(join(dir, "wrong_hosts"), known("other"));
  const child = spawn("setsid", ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL", "--propagation", "private", "sh", "-c", script, "device", image, dir, String(port), o.size ?? "2G", o.overlay === true ? "overlay" : ""], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
  let over = false;
  const ended = new Promise<void>((resolve) => child.on("close", () => ((over = true), resolve())));
  const onExit = () => child.kill("SIGKILL");
  process.once("exit", onExit);
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
    process.off("exit", onExit);
    rmSync(dir, { recursive: true, force: true });
  };
  while (!(await listens(port))) {
    if (over) {
      await kill();
      throw new Error(`the device does not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const inside = execFileSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" }).trim();
  const ssh = [`UserKnownHostsFile=${join(dir, "known_hosts")}`, `IdentityFile=${join(dir, "key")}`, "IdentitiesOnly=yes", "GlobalKnownHostsFile=/dev/null"];
  return {
    port, dir, ssh, kill,
    root: `/proc/${inside}/root`,
    line: (name, more = "") => `${JSON.stringify(name)}: { host: "root@127.0.0.1", port: ${port}, ssh: ${JSON.stringify(ssh)}, ${more} },`,
    [Symbol.asyncDispose]: kill,
  };
}

/** conf/devices.ts with these lines. */
export function devicesConf(lines: readonly string[]): string {
  return `import { defineDevices } from "debcast";\nexport default defineDevices({\n${lines.map((l) => `  ${l}\n`).join("")}});\n`;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** conf/base.ts of an image that is small, but has all that such a device must have. `guest` may log in, and not become root. */
export function deviceImage(scriptlets: readonly string[] = []): string {
  return `import { defineImage } from "debcast";
export default defineImage({
  suite: "trixie", arch: "amd64", hostname: "device",
  scriptlets: ${JSON.stringify(["host", "ssh", "push", ...scriptlets])},
  options: { ssh: { allow: ["dlog", "guest"] }, push: { users: ["dlog"] } },
  users: [{ name: "dlog", password: "locked" }, { name: "guest", password: "locked" }],
});
`;
}
