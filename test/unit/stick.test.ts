// What a restore stick is told, and how it reads what people wrote.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { templatesOf } from "../../lib/disk/devices.ts";
import { layOut, MiB } from "../../lib/disk/layout.ts";
import { layoutText, restoreFiles, stickLayout, type RestoreOptions } from "../../lib/disk/restore.ts";
import { engineRoot } from "../../lib/engine.ts";
import { renderErrors } from "../../lib/report.ts";

const dir = mkdtempSync(join(tmpdir(), "stick-"));
afterAll(() => rmSync(dir, { recursive: true }));

const image = join(dir, "image");
mkdirSync(join(image, "etc"), { recursive: true });
writeFileSync(join(image, "etc/hosts"), "127.0.0.1 localhost\n127.0.1.1 gateway\n");

const needs = { esp: 140 * MiB, root: 400 * MiB, data: 16 * MiB };
const layout = layOut({ root: {} }, needs, "x");
const options: RestoreOptions = {
  name: "base", image, epoch: 1_789_200_000, content: 5e8, tarball: { file: join(dir, "base.tar.zst"), bytes: 6 }, manifest: join(dir, "manifest"), layout, seed: "x",
  boot: [
    { path: "loader/loader.conf", content: "timeout 0\n" },
    { path: "0123456789abcdef/linux", content: { file: join(image, "boot/vmlinuz-6") } },
    { path: "loader/entries/debian-6.conf", content: "title Debian\n" },
  ],
  bootLoader: { path: "EFI/BOOT/BOOTX64.EFI", content: { file: join(dir, "loader.efi") } },
  templates: templatesOf(image), mark: "image=0\n", settings: { disk: "only", confirm: false, values: { hostname: "gw-1" } },
};

describe("what lies on the stick", () => {
  test("its layout says all that a disk is made of", () => {
    expect(layoutText(options)).toMatchInlineSnapshot(`
      "# What the restore program makes a disk of. Sizes are in bytes.
      format 1
      image base
      date 2026-09-12
      tarball base.tar.zst
      content 500000000
      bytes 1004535808
      table label: gpt
      table label-id: e6acd199-13e1-8ddd-94ce-51a20063ec6f
      table unit: sectors
      table first-lba: 2048
      table start=2048, size=614400, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, uuid=65c3c467-3a84-811b-a468-98a218cab06b, name="esp"
      table start=616448, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709, uuid=86ca773a-7e5d-803a-a6f4-3c6b71875ed8, name="root-a"
      part 1 boot esp
      part 2 root root-a
      mkfs 1 mkfs.vfat -F 32 -s 4 -S 512 -n ESP -i 65c3c467
      mkfs 2 mke2fs -q -F -t ext4 -b 4096 -I 256 -i 16384 -m 1 -J size=16 -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum -U 3ba8b491-82c3-83a4-a404-ace407a5f093 -L root-a -E lazy_itable_init=1,hash_seed=3ba8b491-82c3-83a4-a404-ace407a5f093,lazy_journal_init=0,root_owner=0:0
      copy 0123456789abcdef/linux boot/vmlinuz-6
      file loader/loader.conf
      entry loader/entries/debian-6.conf
      loader EFI/BOOT/BOOTX64.EFI
      value hostname gw-017 ^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$
      value serial SN-0017 ^[!-~]{1,64}$
      value address 192.0.2.17/24 ^(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}/(3[0-2]|[12]?[0-9])$
      value gateway 192.0.2.1 ^(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}$
      value dns 192.0.2.53 ^(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}$
      put - 644 values/0 /var/lib/debcast/mark
      put hostname 644 values/1 /etc/hostname
      put hostname 644 values/2 /etc/hosts
      put serial 644 values/3 /etc/serial-number
      put address 644 values/4 /etc/systemd/network/05-device.network
      "
    `);
  });

  test("every file has its checksum but those that are for people", async () => {
    for (const [name, text] of [["base.tar.zst", "packed"], ["manifest", "node\n"], ["loader.efi", "MZ"]] as const) writeFileSync(join(dir, name), text);
    const files = new Map((await restoreFiles(options)).map((f) => [f.path, f.content]));
    const sums = String(files.get("SHA256SUMS")).trimEnd().split("\n").map((line) => line.slice(66));
    expect([...files.keys()].filter((path) => !sums.includes(path))).toEqual(["README.txt", "restore.conf", "SHA256SUMS"]);
    expect(sums).toEqual(["base.tar.zst", "manifest", "layout", "esp/EFI/BOOT/BOOTX64.EFI", "esp/loader/loader.conf", "esp/loader/entries/debian-6.conf", "values/0", "values/1", "values/2", "values/3", "values/4"]);
    expect(files.get("values/2")).toBe("127.0.0.1 localhost\n127.0.1.1 @hostname@\n");
    expect(files.get("values/4")).toBe("[Match]\nType=ether\n\n[Network]\nAddress=@address@\nGateway=@gateway@\nDNS=@dns@\n");
    expect(String(files.get("restore.conf")).split("\n").filter((line) => /^[^#]/.test(line))).toEqual(["disk = only", "confirm = no", "then = wait", "others = no", "hostname = gw-1"]);
  });

  test("a tarball that FAT cannot hold", async () => {
    const said = await restoreFiles({ ...options, tarball: { file: "base.tar.zst", bytes: 4 * 1024 * MiB } }).then(() => "nothing is wrong", renderErrors);
    expect(said).toMatchInlineSnapshot(`
      "error: the tarball of \`base\` has 4.3 GB, and the partition that any machine can read takes no file of 4 GiB

      hint: debcast size
            says what makes the image big"
    `);
  });

  test("none of its partitions is called as one of a device", () => {
    const own = stickLayout(layOut({ root: { mode: "overlay", size: "fit" }, persist: false }, needs, "stick"), 400 * MiB, "y");
    expect(own.partitions.map((p) => `${p.name} ${p.holds} ${p.start / MiB}+${p.bytes / MiB}`)).toEqual(["RESTORE files 1+564", "stick-esp boot 565+300", "stick-root root 865+400"]);
    expect(own.bytes).toBe((865 + 400 + 1) * MiB);
  });
});

/** What the stick makes of a restore.conf: settings and values, or what it says is wrong. */
function settings(text: string | Buffer): string[] {
  const stick = join(dir, "RESTORE");
  mkdirSync(stick, { recursive: true });
  writeFileSync(join(stick, "layout"), layoutText(options));
  writeFileSync(join(stick, "restore.conf"), text);
  const script = `set -u; work=$1 stick=$1
fail() { printf '%s\\n' "$@"; exit 1; }
cd "$2"; . ./description; . ./settings; read_layout; read_settings
for key in disk confirm then others; do echo "$key = \${setting[$key]}"; done
for key in "\${keys[@]}"; do [ -z "\${value[$key]:-}" ] || echo "$key = \${value[$key]}"; done`;
  const r = spawnSync("bash", ["-c", script, "restore", stick, join(engineRoot, "base/restore/parts")], { encoding: "utf8" });
  expect(r.stderr).toBe("");
  return r.stdout.trimEnd().split("\n");
}

describe("restore.conf", () => {
  test("as it comes, and as an editor of another system leaves it", async () => {
    const { content } = (await restoreFiles(options)).find((f) => f.path === "restore.conf")!;
    expect(settings(content as string)).toEqual(["disk = only", "confirm = no", "then = wait", "others = no", "hostname = gw-1"]);
    expect(settings("\ufeffdisk = serial:A B\r\n\r\n; no\r\nconfirm=no \r\nothers = yes\r\n[board nobody]\r\nhostname = other\r\n")).toEqual(["disk = serial:A B", "confirm = no", "then = wait", "others = yes"]);
    expect(settings("")).toEqual(["disk = ask", "confirm = yes", "then = wait", "others = no"]);
  });

  test("every mistake with its line", () => {
    expect(settings("disc = only\nconfirm = maybe\nfoo\n= 3\n[mac 5]\nhostname = -x\n[bord 3]\n[board SN 1]\n[board SN 1]\nthen = reboot\n").join("\n")).toMatchInlineSnapshot(`
      "restore.conf has a mistake
      restore.conf, line 1: there is no \`disc\`; there are disk confirm then others, and of devices hostname serial address gateway dns
      restore.conf, line 2: \`confirm\` is \`maybe\`; expected yes or no
      restore.conf, line 3: \`foo\` is neither KEY = VALUE nor a [section]
      restore.conf, line 4: there is no \`\`; there are disk confirm then others, and of devices hostname serial address gateway dns
      restore.conf, line 5: \`5\` is no MAC address
      restore.conf, line 6: \`hostname\` is \`-x\`; expected something like gw-017
      restore.conf, line 7: \`[bord 3]\` is no section: expected [mac 52:54:00:12:34:56] or [board SERIAL]
      restore.conf, line 9: [board SN 1] is there twice, first on line 8
      restore.conf, line 10: \`then\` is said for all devices, above the first [section]
      Mend it on any PC: it lies on the partition RESTORE of this stick."
    `);
    expect(settings("gateway = 192.0.2.1\n").join("\n")).toMatchInlineSnapshot(`
      "restore.conf has a mistake
      restore.conf sets \`gateway\` for this device, but no \`address\`
      Mend it on any PC: it lies on the partition RESTORE of this stick."
    `);
    const addresses = settings("gateway = 192.0.2.300\naddress = 192.0.2.17/99\ndns = 010.0.0.1\n");
    expect(addresses.slice(1, 4)).toEqual(["restore.conf, line 1: `gateway` is `192.0.2.300`; expected something like 192.0.2.1", "restore.conf, line 2: `address` is `192.0.2.17/99`; expected something like 192.0.2.17/24", "restore.conf, line 3: `dns` is `010.0.0.1`; expected something like 192.0.2.53"]);
    expect(settings("address = 255.249.199.9/32\ngateway = 10.0.99.100\n").slice(4)).toEqual(["address = 255.249.199.9/32", "gateway = 10.0.99.100"]);
    expect(settings("[board nobody]\nhostname = x").slice(0, 1)).toEqual(["restore.conf says nothing of this device"]);
  });
});

test("an error of the disk is found among many", () => {
  const script = `set -u -o pipefail; work=$1 boot=$1 disk=/dev/sdb boot_files=() entries=(); declare -A about=([loader]=x)
. "$2/writing"; must() { :; }; forget() { :; }; broken() { echo "$1"; exit 1; }
dmesg() { for i in {1..5000}; do echo "I/O error, dev $errs, sector $i"; done; }
(errs=sdb finish); (errs=sdc finish)`;
  const r = spawnSync("bash", ["-c", script, "restore", dir, join(engineRoot, "base/restore/parts")], { encoding: "utf8" });
  expect([r.stdout, r.stderr]).toEqual(["there were errors while it was written to\n", ""]);
});
