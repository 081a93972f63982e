// Where things lie on a disk, and what one device has that another has not.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { mappedRanges, writeBmap } from "../../lib/disk/bmap.ts";
import type { Extent } from "../../lib/disk/digests.ts";
import { failed, isSame, refusal, type BlockDevice } from "../../lib/disk/device.ts";
import { parseSet, parseTable, putCommands } from "../../lib/disk/devices.ts";
import { UserError } from "../../lib/errors.ts";
import { layOut, MiB, sfdiskScript, uuidFrom } from "../../lib/disk/layout.ts";
import { listening, mayBeClient } from "../../lib/vm/ports.ts";
import { renderErrors } from "../../lib/report.ts";

const dir = mkdtempSync(join(tmpdir(), "disk-"));
afterAll(() => rmSync(dir, { recursive: true }));

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (e) {
    return renderErrors(e);
  }
  return "nothing is wrong";
}

const needs = { esp: 140 * MiB, root: 400 * MiB, data: 16 * MiB };
const shape = (l: ReturnType<typeof layOut>) => l.partitions.map((p) => `${p.name} ${p.start / MiB}+${p.bytes / MiB}${p.grows ? " grows" : ""}`);

describe("layout", () => {
  test("root alone grows; with data it is data; with slots nothing does", () => {
    expect(shape(layOut({ root: {} }, needs, "x"))).toEqual(["esp 1+300", "root-a 301+656 grows"]);
    expect(shape(layOut({ root: { size: "fit+100M" }, data: { size: "rest", mount: "/data" } }, needs, "x"))).toEqual(["esp 1+300", "root-a 301+500", "data 801+16 grows"]);
    expect(shape(layOut({ root: { slots: 2, size: "1G" } }, needs, "x"))).toEqual(["esp 1+300", "root-a 301+1024", "root-b 1325+1024"]);
  });

  test("what has to last has partitions of its own where / does not last", () => {
    expect(shape(layOut({ root: { mode: "overlay", size: "fit" }, log: { size: "64M" } }, needs, "x"))).toEqual(["esp 1+300", "root-a 301+400", "persist 701+32", "log 733+64"]);
  });

  test("the second copy of the table has room, and ids are those of the image", () => {
    const l = layOut({ root: {} }, needs, "x");
    expect(l.bytes).toBe((301 + 656 + 1) * MiB);
    expect(layOut({ root: {} }, needs, "x")).toEqual(l);
    expect(layOut({ root: {} }, needs, "y").id).not.toBe(l.id);
    expect(new Set(l.partitions.map((p) => p.uuid)).size).toBe(2);
    expect(uuidFrom("x")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(sfdiskScript(l).split("\n")[5]).toBe(`start=616448, size=1343488, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709, uuid=${l.partitions[1]!.uuid}, name="root-a"`);
  });

  test("a size that does not do", () => {
    expect(messageOf(() => layOut({ root: { size: "300M" } }, needs, "x"))).toMatchInlineSnapshot(`
      "error: \`disk.root\` has 300M, and what goes into it needs 400M

      hint: root: { size: "fit+200M" },"
    `);
  });
});

describe("values of a device", () => {
  const table = (text: string) => {
    writeFileSync(join(dir, "devices.csv"), text);
    return parseTable(join(dir, "devices.csv"));
  };

  test("rows of a table", () => {
    expect(table("# line 3\nhostname; address; gateway\ngw-1; 192.0.2.1/24; 192.0.2.254\ngw-2;;\n")).toEqual([{ hostname: "gw-1", address: "192.0.2.1/24", gateway: "192.0.2.254" }, { hostname: "gw-2" }]);
  });

  test("mistakes", () => {
    const said = [["hostnam=x"], ["hostname=-x"], ["hostname"], ["address=192.0.2.1"], ["address=192.0.2.300/24"], ["address=192.0.2.17/99"], ["dns=192.0.2.1"]].map((words) => messageOf(() => parseSet(words)));
    expect(said.join("\n")).toMatchInlineSnapshot(`
      "error: \`--set\` sets \`hostnam\`, which devices do not have

      hint: did you mean \`hostname\`?
      error: \`--set\` sets \`hostname\` to \`-x\`

      hint: it is something like hostname=gw-017
      error: \`--set hostname\` has no value

      hint: --set hostname=gw-017
      error: \`--set\` sets \`address\` to \`192.0.2.1\`

      hint: it is something like address=192.0.2.17/24
      error: \`--set\` sets \`address\` to \`192.0.2.300/24\`

      hint: it is something like address=192.0.2.17/24
      error: \`--set\` sets \`address\` to \`192.0.2.17/99\`

      hint: it is something like address=192.0.2.17/24
      error: \`--set\` sets \`dns\` but no \`address\`

      hint: address=192.0.2.17/24"
    `);
    const rows = ["hostname\n", "name\nx\n", "hostname,address\ngw-1\n", "hostname\ngw-1\nGW-1\n", "hostname,address\ngw-1,192.0.2.1/24\ngw-2,192.0.2.1/16\n", "hostname,serial\ngw-1,17\ngw-2,\ngw-3,17\n", "hostname,address\n,192.0.2.1/24\n"].map((text) => messageOf(() => table(text)));
    // A place near by is shown as seen from here.
    expect(rows.join("\n").replaceAll(dir, "DIR").replaceAll(relative(process.cwd(), dir), "DIR")).toMatchInlineSnapshot(`
      "error: \`DIR/devices.csv\` has no devices in it

      hint: hostname,address
            gw-001,192.0.2.1/24
      error: DIR/devices.csv:1: \`DIR/devices.csv\` has no column \`hostname\`, which the files are named after
      error: DIR/devices.csv:2: a row has 1 cells, and there are 2 columns
      error: DIR/devices.csv:3: \`GW-1\` is in the table twice, first on line 2

      hint: no two devices have the same hostname
      error: DIR/devices.csv:3: \`192.0.2.1/16\` is in the table twice, first on line 2

      hint: no two devices have the same address
      error: DIR/devices.csv:4: \`17\` is in the table twice, first on line 2

      hint: no two devices have the same serial
      error: DIR/devices.csv:2: a row has no hostname"
    `);
  });
});

test("values go into directories that are there, or are made from the top", () => {
  const image = join(dir, "image");
  for (const path of ["etc", "usr/sbin", "var/real lib"]) mkdirSync(join(image, path), { recursive: true });
  writeFileSync(join(image, "etc/hostname"), "gateway\n");
  symlinkSync("/var/real lib", join(image, "var/lib"));
  const put = (path: string, mode = 0o644) => ({ path, content: "", mode });
  const puts = [put("/var/lib/debcast/mark"), put("/etc/hostname"), put("/etc/a/b/c", 0o600), put("/etc/a/d")];
  expect(putCommands(puts, image).filter((c) => !/^sif \S+ [ug]id 0$/.test(c)).join("\n")).toMatchInlineSnapshot(`
    "mkdir "/var/real lib/debcast"
    cd "/var/real lib/debcast"
    write /in/0 mark
    sif mark mode 0100644
    cd /etc
    rm hostname
    write /in/1 hostname
    sif hostname mode 0100644
    mkdir /etc/a
    mkdir /etc/a/b
    cd /etc/a/b
    write /in/2 c
    sif c mode 0100600
    cd /etc/a
    write /in/3 d
    sif d mode 0100644"
  `);
});

describe("block map", () => {
  const file = join(dir, "x.img");
  // Longer than one range, and its end within a block.
  const bytes = Buffer.alloc(33 * MiB + 512, "debcast");
  writeFileSync(file, bytes);
  const mapped = async (unused: readonly Extent[]) => (await mappedRanges(file, unused)).ranges;
  const blocks = async (unused: readonly Extent[]) => (await mapped(unused)).map((r) => [r.first, r.last]);

  test("has all blocks but those that are unused as a whole", async () => {
    expect(await blocks([])).toEqual([[0, 4095], [4096, 8191], [8192, 8448]]);
    expect(await blocks([{ start: 16384, end: 32768 }, { start: 2 * MiB, end: 33 * MiB }])).toEqual([[0, 3], [8, 511], [8448, 8448]]);
    expect(await blocks([{ start: 0, end: 16384 + 512 }, { start: 32768 - 512, end: 33 * MiB + 512 }])).toEqual([[4, 7], [8448, 8448]]);
    expect(await blocks([{ start: 40960 + 512, end: 40960 + 1024 }, { start: MiB, end: 33 * MiB }])).toEqual([[0, 255], [8448, 8448]]);
  });

  test("names their checksums", async () => {
    const ranges = await mapped([{ start: 16384, end: 32768 }]);
    for (const r of ranges) expect(r.sha256).toBe(createHash("sha256").update(bytes.subarray(r.first * 4096, (r.last + 1) * 4096)).digest("hex"));
    writeBmap(file, { ranges, bytes: bytes.length });
    const text = readFileSync(`${file}.bmap`, "utf8");
    expect(text).toContain("<MappedBlocksCount> 8445 </MappedBlocksCount>");
    expect(text).toMatch(/<Range chksum="[0-9a-f]{64}"> 0-3 <\/Range>/);
  });
});

describe("a device", () => {
  const disk: BlockDevice = { path: "/dev/sdb", type: "disk", size: 8e9, model: "Stick ", serial: "17", ro: false, "log-sec": 512, mountpoints: [null] };

  test("is refused", () => {
    expect(refusal(disk, 1e9)).toBe(undefined);
    expect([{ type: "part" }, { "log-sec": 4096 }, { ro: true }, { size: 5e8 }].map((d) => refusal({ ...disk, ...d }, 1e9)!.message)).toMatchInlineSnapshot(`
      [
        "it is a part and no whole disk",
        "its sectors have 4096 bytes, and the image is made for 512",
        "it is read-only",
        "it has 500 MB, and the image needs 1.0 GB",
      ]
    `);
  });

  test("is refused while something is on it", () => {
    const on = (type: string, path: string, o: Partial<BlockDevice> = {}): BlockDevice => ({ ...disk, type, path, ...o });
    const say = (children: readonly BlockDevice[]) => messageOf(() => {
      const why = refusal({ ...disk, children }, 1e9);
      if (why) throw new UserError("x", why.message, { hint: why.hint });
    });
    const lvm = on("part", "/dev/sdb2", { children: [on("crypt", "/dev/mapper/secret", { children: [on("lvm", "/dev/mapper/vg-root")] })] });
    expect([say([on("part", "/dev/sdb1")]), say([on("part", "/dev/sdb1", { mountpoints: ["/media/my stick", "[SWAP]"] })]), say([lvm]), say([on("raid1", "/dev/md0")])].join("\n\n")).toMatchInlineSnapshot(`
      "nothing is wrong

      error: it is in use: /media/my stick, [SWAP]

      hint: umount '/media/my stick'
            swapoff --all

      error: it is in use: \`/dev/mapper/secret\` (crypt) is on it, \`/dev/mapper/vg-root\` (lvm) is on it

      hint: lvchange --activate n /dev/mapper/vg-root
            cryptsetup close /dev/mapper/secret

      error: it is in use: \`/dev/md0\` (raid1) is on it

      hint: mdadm --stop /dev/md0"
    `);
  });

  test("is no other than before", () => {
    expect([disk, { ...disk, path: "/dev/sdc" }, { ...disk, size: 9e9 }, { ...disk, serial: "18" }, { ...disk, model: null }, { ...disk, diskseq: "12" }].map((d) => isSame(d, disk))).toEqual([true, true, false, false, false, false]);
  });

  test("fails", () => {
    const said = ["EIO", "ENXIO"].map((code) => messageOf(() => {
      throw failed(disk, "written", Object.assign(new Error(code), { code }), 4096);
    }));
    expect(said.join("\n")).toMatchInlineSnapshot(`
      "error: \`/dev/sdb\` (Stick, 8.0 GB, serial 17) could not be written at byte 4096: EIO

      hint: dmesg | tail   # what the kernel says of it
            look at its plug and cable, then again; take another disk if it fails again
      error: \`/dev/sdb\` (Stick, 8.0 GB, serial 17) could not be written at byte 4096: it is not there any more

      hint: look at its plug and cable, then again; take another disk if it fails again"
    `);
  });
});

test("what listens, from /proc/net", () => {
  const head = "  sl  local_address rem_address   st tx_queue\n";
  const tables = {
    tcp: `${head}   0: 00000000:0016 00000000:0000 0A 0\n   1: 0100007F:0277 00000000:0000 0A 0\n   2: 0F02000A:0016 0202000A:D2F0 01 0\n`,
    tcp6: `${head}   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0\n   1: 00000000000000000000000001000000:0277 0:0 0A 0\n`,
    udp: `${head}   0: 0F02000A:0044 00000000:0000 07 0\n   1: 00000000:0143 00000000:0000 07 0\n   2: 00000000:9C40 00000000:0000 07 0\n`,
  };
  expect(listening(tables)).toEqual(["tcp:22", "tcp:8080", "udp:68", "udp:323", "udp:40000"]);
  const clients = ["tcp:22", "udp:68", "udp:546", "udp:323", "udp:40000", "udp:61000", "tcp:40000"].filter((p) => mayBeClient(p, [32768, 60999]));
  expect(clients).toEqual(["udp:68", "udp:546", "udp:40000"]);
});
