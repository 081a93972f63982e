// What base/disk/ brings onto a device, run by itself with file systems that are too small.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { isRoot, skipUnless } from "./debcast.ts";

const mounts = skipUnless(isRoot, "mounting a disk needs root");
const dir = mkdtempSync(join(tmpdir(), "on-device-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const source = (name: string) => readFileSync(join(engineRoot, "base/disk", name), "utf8");
const MB = 1 << 20;

/** A file with an ext4 in it; `tree` is what that holds. */
function fileSystem(name: string, size: string, tree?: string): string {
  const file = join(dir, name);
  execFileSync("truncate", ["-s", size, file]);
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-m", "0", "-J", "size=1", ...(tree === undefined ? [] : ["-d", tree]), file], { env });
  return file;
}

/** Where no mount outlasts it. */
function run(script: string, ...words: string[]): { status: number | null; said: string } {
  const r = spawnSync("unshare", ["--mount", "--propagation", "private", "sh", "-c", script, "sh", ...words], { encoding: "utf8", env });
  return { status: r.status, said: r.stdout + r.stderr };
}

const debugfs = (file: string, command: string) => execFileSync("debugfs", ["-R", command, file], { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const namesIn = (file: string, path: string) => debugfs(file, `ls -p ${path}`).split("\n").map((line) => line.split("/")[5] ?? "").filter((name) => !["", ".", "..", "lost+found"].includes(name)).sort();

describe.skipIf(mounts.skip)("boot-entries, where not every kernel has room", () => {
  const boot = join(dir, "boot");
  mkdirSync(boot);
  writeFileSync(join(dir, "boot-options"), "root=PARTLABEL=root-a rw\n");
  // ext4 is what every kernel has; the device is a loop device.
  const script = source("boot-entries").replaceAll("/boot/", `${boot}/`).replace("-t vfat -o umask=077", "-t ext4").replace("/etc/kernel/boot-options", join(dir, "boot-options"));
  writeFileSync(join(dir, "boot-entries"), script);
  const esp = isRoot ? fileSystem("esp", "12M") : "";

  const install = (version: string) => ["vmlinuz", "initrd.img"].forEach((name, i) => writeFileSync(join(boot, `${name}-${version}`), Buffer.alloc((1 + i) * MB, version)));
  const remove = (version: string) => ["vmlinuz", "initrd.img"].forEach((name) => rmSync(join(boot, `${name}-${version}`)));
  const entries = () => run('loop=$(losetup --find --show "$1"); sh "$2/boot-entries" "$loop"; status=$?; losetup -d "$loop"; exit $status', esp, dir);
  const kernels = () => namesIn(esp, "/loader/entries").map((name) => {
    const folder = /^linux \/(\w+)\/linux$/m.exec(debugfs(esp, `cat /loader/entries/${name}`))![1]!;
    return [name, namesIn(esp, `/${folder}`).join(" ")];
  });
  const folders = () => namesIn(esp, "/").filter((name) => name !== "loader");
  const whole = (...versions: string[]) => versions.map((v) => [`debian-${v}.conf`, "initrd linux"]);

  test("one that is gone makes room for one that comes", () => {
    ["1", "2", "3"].forEach(install);
    expect(entries()).toEqual({ status: 0, said: "" });
    expect(kernels()).toEqual(whole("1", "2", "3"));
    remove("1");
    install("4");
    expect(entries()).toEqual({ status: 0, said: "" });
    expect([kernels(), folders().length]).toEqual([whole("2", "3", "4"), 3]);
  });

  test("one too many is refused, and leaves nothing behind", () => {
    install("5");
    const r = entries();
    expect([r.status, r.said.replace(/^cp: .*\n/m, "").replace(/and \d+ are free/, "and N are free")]).toMatchInlineSnapshot(`
      [
        1,
        "boot-entries: kernel 5 could not be written to the EFI system partition: it needs 3145728 bytes, and N are free
      boot-entries: The device goes on starting as before. Remove a kernel that is not needed (dpkg --list 'linux-image-*'), then: boot-entries
      ",
      ]
    `);
    expect([kernels(), folders().length]).toEqual([whole("2", "3", "4"), 3]);
    remove("3");
    expect(entries()).toEqual({ status: 0, said: "" });
    expect([kernels(), folders().length]).toEqual([whole("2", "4", "5"), 3]);
  });
});

/** A system on `root`, with the programs of this machine, and what lies on `persist`; `then` is done in it, with /dev/persist the script. */
const started = (then: string) => `set -e
mount -o loop "$1" "$3"
mkdir -p "$3/dev" "$3/proc" "$3/persist" "$3/usr" "$3/etc" "$3/var/lib" "$3/run"
mount --bind -o ro /usr "$3/usr"
for d in bin sbin lib lib64; do [ -e "$3/$d" ] || ln -s "usr/$d" "$3/$d"; done
mount -t tmpfs dev "$3/dev"
loop=$(losetup --find --show "$2")
mkdir -p "$3/dev/disk/by-partlabel"
cp -a "$loop" "$3/dev/disk/by-partlabel/persist"
cp -a /dev/null "$3/dev/null"
cp "$4" "$3/dev/persist"
status=0
${then} || status=$?
losetup -d "$loop"
grep -c " $3/persist " /proc/mounts || :
exit $status`;

const persist = join(engineRoot, "base/disk/persist");

describe.skipIf(mounts.skip)("persist apply", () => {
  function applied(bytes: number) {
    const tree = join(dir, `staged-${bytes}`);
    mkdirSync(join(tree, "push/tree/opt"), { recursive: true });
    mkdirSync(join(tree, "push/tree/var/lib/debcast"), { recursive: true });
    writeFileSync(join(tree, "push/tree/opt/pushed"), Buffer.alloc(bytes, 1));
    writeFileSync(join(tree, "push/gone"), "./opt/old\0");
    const old = join(dir, "old");
    mkdirSync(join(old, "opt"), { recursive: true });
    writeFileSync(join(old, "opt/old"), "");
    const [root, kept] = [fileSystem(`root-${bytes}`, "24M", old), fileSystem(`persist-${bytes}`, "64M", tree)];
    const at = join(dir, `at-${bytes}`);
    mkdirSync(at);
    const { status, said } = run(started('mount -o remount,ro "$3"; chroot "$3" sh /dev/persist apply'), root, kept, at, persist);
    return { status, said: said.replace(/\d\d+/g, "N"), opt: namesIn(root, "/opt"), persist: namesIn(kept, "/") };
  }

  test("puts into the system what was pushed", () => {
    expect(applied(4 * MB)).toEqual({ status: 0, said: "0\n", opt: ["pushed"], persist: [] });
  });

  test("leaves out what does not fit, and the system as it was", () => {
    expect(applied(32 * MB)).toMatchInlineSnapshot(`
      {
        "opt": [
          "old",
        ],
        "persist": [
          "push.new",
          "push.refused",
        ],
        "said": "0
      persist: what was pushed does not fit into / and was left out: N KiB are needed, N are free
      ",
        "status": 0,
      }
    `);
  });
});

describe.skipIf(mounts.skip)("persist save and restore", () => {
  const image = join(dir, "image");
  mkdirSync(join(image, "etc/keys/deep"), { recursive: true });
  chmodSync(join(image, "etc/keys"), 0o700);
  writeFileSync(join(image, "etc/keys/deep/a"), "image's\n");
  writeFileSync(join(image, "etc/other"), "image's\n");
  symlinkSync("nowhere", join(image, "etc/link"));
  symlinkSync("keys", join(image, "etc/linked"));
  const kept = isRoot ? fileSystem("persist", "16M") : "";
  let systems = 0;
  /** One start of the device: / is the image's again. What it says ends with a count of mounted /persist. */
  const start = (then: string) => {
    const at = join(dir, `system-${++systems}`);
    mkdirSync(at);
    return run(started(`chroot "$3" sh -c 'sh /dev/persist restore; mount -t proc proc /proc; cd /etc; ${then}'; status=$?; umount "$3/proc"; [ $status = 0 ]`), fileSystem(`image-${systems}`, "16M", image), kept, at, persist);
  };

  test("what is saved is there after the next start, and directories are the image's", () => {
    expect(start("echo own > keys/deep/a; echo own > \"with blank\"; chmod 600 keys/deep/a; echo b > linked/b; mkdir -m 750 fresh; echo c > fresh/c; sh /dev/persist save /etc/keys/deep/a \"/etc/with blank\" /etc/link /etc/linked/b /etc/fresh/c")).toEqual({ status: 0, said: "1\n" });
    expect(start("stat -c \"%a %n\" keys keys/deep keys/deep/a; cat keys/deep/a with\\ blank other; readlink link; readlink linked; cat keys/b; stat -c %a fresh; cat fresh/c; echo newer > keys/deep/a; sh /dev/persist save /etc/keys/deep/a")).toEqual({
      status: 0, said: "700 keys\n755 keys/deep\n600 keys/deep/a\nown\nown\nimage's\nnowhere\nkeys\nb\n750\nc\n1\n",
    });
    expect(start("cat keys/deep/a; stat -c %a /persist/etc/keys; ls -A /persist; wc -c < machine-id")).toEqual({ status: 0, said: "newer\n700\netc\nlost+found\n33\n1\n" });
  });

  test("what cannot be kept is refused, and nothing of it is", () => {
    expect(start("sh /dev/persist save /etc/other /etc/keys; sh /dev/persist save /etc/none; sh /dev/persist save /tmp/x; ls /persist/etc/other; true")).toMatchInlineSnapshot(`
      {
        "said": "1
      persist: /etc/keys is a directory: name the files in it
      persist: there is no /etc/none
      persist: /tmp/x is not in /etc
      ls: cannot access '/persist/etc/other': No such file or directory
      ",
        "status": 0,
      }
    `);
  });

  test("a half of what was begun goes", () => {
    execFileSync("debugfs", ["-w", "-R", `write ${persist} .new`, kept], { env, stdio: "ignore" });
    expect(namesIn(kept, "/")).toContain(".new");
    expect(start("ls -A /persist")).toEqual({ status: 0, said: "etc\nlost+found\n1\n" });
  });

  test("without the partition the start is told, and goes on", () => {
    const at = join(dir, "none");
    mkdirSync(at);
    const none = join(dir, "no-file-system");
    execFileSync("truncate", ["-s", "16M", none]);
    const r = run(started('chroot "$3" sh /dev/persist restore'), fileSystem("image-none", "16M", image), none, at, persist);
    expect([r.status === 0, r.said.includes("wrong fs type")]).toEqual([false, true]);
  });
});
