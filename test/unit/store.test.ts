// The store: every kind of .deb that is good, and every kind that is refused.
import { appendFileSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ensureStored, openStore, storeDeb } from "../../lib/store/store.ts";
import { xzSize } from "../../lib/store/xzindex.ts";
import { arFile, compress, controlText, makeDeb, sha256, tarFile, type Compression, type TestDeb, type TestEntry } from "../real/archive/deb.ts";

const work = mkdtempSync(join(tmpdir(), "debcast-store-"));
const dir = join(work, "store");
afterAll(() => rmSync(work, { recursive: true }));

async function store(bytes: Buffer, o: { limit?: number } = {}) {
  const path = join(work, `${sha256(bytes).slice(0, 16)}.deb`);
  writeFileSync(path, bytes);
  const id = sha256(bytes);
  return (await ensureStored({ debs: [{ path, sha256: id, label: "x.deb" }], dir, emit: () => {}, ...o })).get(id)!;
}

/** The message of the error that storing it gives; the store holds nothing of it then. */
async function refusal(bytes: Buffer, o: { limit?: number } = {}): Promise<string> {
  const said = await store(bytes, o).then(() => "taken", (e: Error & { code?: string }) => (e.code ? e.message : `no UserError: ${e.stack}`));
  expect(readdirSync(dir).filter((f) => f.startsWith(sha256(bytes)))).toEqual([]);
  return said;
}

const withEntries = (...entries: TestEntry[]) => makeDeb({ name: "x", entries: [{ name: "./", type: "directory" }, { name: "./usr/", type: "directory" }, ...entries] });

const good: TestDeb = {
  name: "good",
  files: { "/usr/bin/x": { content: "#!/bin/sh\n", mode: 0o4755 }, "/etc/x.conf": "a\n", "/usr/lib/x": { type: "symlink", linkname: "../bin/x" } },
  conffiles: ["/etc/x.conf"],
};

describe("good packages", () => {
  test.each<[Compression, Compression]>([["xz", "xz"], ["gz", "gz"], ["zst", "zst"], ["none", "none"], ["xz", "gz"], ["gz", "xz"]])("data in %s, control in %s", async (compression, controlCompression) => {
    const s = await store(await makeDeb({ ...good, compression, controlCompression }));
    expect(s.entries.map((e) => `${e.type} ${e.path} ${e.mode.toString(8)} ${e.size} ${e.link ?? ""}`.trim())).toEqual([
      "directory /. 755 0", "directory /etc 755 0", "directory /usr 755 0", "directory /usr/bin 755 0", "directory /usr/lib 755 0",
      "file /usr/bin/x 4755 10", "file /etc/x.conf 644 2", "symlink /usr/lib/x 777 0 ../bin/x",
    ]);
    const x = s.entries.find((e) => e.path === "/usr/bin/x")!;
    expect(readFileSync(s.tar).subarray(x.offset, x.offset + x.size).toString()).toBe("#!/bin/sh\n");
    expect(s.control.text).toBe(controlText(good));
    expect(s.control.files.map((f) => f.name).sort()).toEqual(["conffiles", "md5sums"]);
    expect(s.control.files.find((f) => f.name === "conffiles")!.content.toString()).toBe("/etc/x.conf\n");
  });

  test("names longer than a header holds, and hard links", async () => {
    const long = `./usr/${"d".repeat(90)}/${"f".repeat(90)}`;
    const header = (name: string, type: string, size = name.length + 1) => {
      const h = Buffer.alloc(512);
      h.write("././@LongLink");
      h.write("0000644\0", 100);
      h.write("0000000\0", 108);
      h.write("0000000\0", 116);
      h.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
      h.write("00000000000\0", 136);
      h.write(type, 156);
      h.write("ustar  \0", 257);
      h.write("        ", 148);
      h.write(`${[...h].reduce((a, b) => a + b, 0).toString(8).padStart(6, "0")}\0 `, 148);
      return h;
    };
    const padded = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(512 - (text.length % 512))]);
    const plain = await tarFile([{ name: "./", type: "directory" }, { name: "./usr/", type: "directory" }]);
    const data = Buffer.concat([plain.subarray(0, 1024), header(long, "L"), padded(long), header("short", "0", 0), Buffer.alloc(1024)]);
    const s = await store(await debOf(data));
    expect(s.entries.at(-1)).toMatchObject({ type: "file", path: long.slice(1), size: 0 });
  });

  test("a FIFO is left to dpkg", async () => {
    const s = await store(await withEntries({ name: "./usr/pipe", type: "fifo" }, { name: "./usr/x", content: "x" }));
    expect(s.dpkgOnly).toBe("`./usr/pipe` is a FIFO");
    expect(s.entries.map((e) => e.path)).toEqual(["/.", "/usr", "/usr/x"]);
  });

  test("what is stored is not made again, unless it was touched", async () => {
    const bytes = await makeDeb(good);
    const first = await store(bytes);
    const before = readFileSync(first.tar);
    expect((await store(bytes)).entries).toEqual(first.entries);
    appendFileSync(first.tar, "tampered");
    expect(readFileSync((await store(bytes)).tar)).toEqual(before);
    writeFileSync(first.tar.replace(/tar$/, "json"), "{");
    expect((await store(bytes)).control.text).toBe(first.control.text);
  });

  test("each package is there as soon as it is done, and one broken package stops no other", async () => {
    const paths = await Promise.all([makeDeb({ name: "a" }), Buffer.from("!<arch>\nrubbish"), makeDeb({ name: "b" })].map(async (b, i) => {
      const path = join(work, `many${i}.deb`);
      writeFileSync(path, await b);
      return { path, sha256: sha256(await b), label: `many${i}.deb` };
    }));
    const s = openStore({ debs: paths, dir, emit: () => {} });
    expect((await s.get(paths[2]!.sha256)).control.text).toContain("Package: b");
    expect((await s.get(paths[0]!.sha256)).control.text).toContain("Package: a");
    await expect(s.get(paths[1]!.sha256)).rejects.toThrow("no Debian package");
    await s.close();
  });

  test("control archives of a group come before its data", async () => {
    const debs = await Promise.all(["a", "b", "c"].map(async (name) => {
      const bytes = await makeDeb({ name });
      const path = join(work, `group-${name}.deb`);
      writeFileSync(path, bytes);
      return { path, sha256: sha256(bytes), label: `${name}.deb`, group: name === "a" ? 1 : 2 };
    }));
    const order: string[] = [];
    const s = openStore({ debs, dir: join(work, "groups"), emit: () => {}, jobs: 1 });
    await Promise.all(debs.flatMap((d) => [s.control(d.sha256).then(() => order.push(`control of ${d.label}`)), s.get(d.sha256).then(() => order.push(`all of ${d.label}`))]));
    await s.close();
    expect(order).toEqual(["control of a.deb", "all of a.deb", "control of b.deb", "control of c.deb", "all of b.deb", "all of c.deb"]);
    const again = openStore({ debs, dir: join(work, "groups"), emit: () => {} });
    expect((await again.control(debs[2]!.sha256)).text).toContain("Package: c");
    await again.close();
  });
});

describe("refused", () => {
  test.each<[string, TestEntry[], string]>([
    ["an absolute path", [{ name: "/etc/passwd", content: "x" }], "`/etc/passwd` in `x.deb` leads out of the image"],
    ["a path with ..", [{ name: "./usr/../../x", content: "x" }], "`./usr/../../x` in `x.deb` leads out of the image"],
    ["a device", [{ name: "./usr/sda", type: "block-device", devmajor: 8, devminor: 0 }], "`./usr/sda` in `x.deb` is a block device, which debcast does not unpack"],
    ["a character device", [{ name: "./usr/mem", type: "character-device", devmajor: 1, devminor: 1 }], "`./usr/mem` in `x.deb` is a character device, which debcast does not unpack"],
    ["a pax header", [{ name: "./usr/x", content: "x", pax: { path: "../x" } }], "`PaxHeader` in `x.deb` is a pax header, which debcast does not unpack"],
    ["a path twice", [{ name: "./usr/x", content: "x" }, { name: "./usr/./x", content: "y" }], "`/usr/x` in `x.deb` is there twice"],
    ["a link written through", [{ name: "./usr/l", type: "symlink", linkname: "/etc" }, { name: "./usr/l/passwd", content: "x" }], "`/usr/l/passwd` in `x.deb` lies below `/usr/l`, which is a symlink in the same package"],
    ["a hard link out", [{ name: "./usr/h", type: "link", linkname: "/etc/shadow" }], "`./usr/h` in `x.deb` is a hard link to `/etc/shadow`, out of the image"],
    ["a hard link to a link", [{ name: "./usr/l", type: "symlink", linkname: "/etc/shadow" }, { name: "./usr/h", type: "link", linkname: "./usr/l" }], "`/usr/h` in `x.deb` is a hard link to `/usr/l`, which is no file before it in the same package"],
    ["a hard link to what comes later", [{ name: "./usr/h", type: "link", linkname: "./usr/x" }, { name: "./usr/x", content: "x" }], "`/usr/h` in `x.deb` is a hard link to `/usr/x`, which is no file before it in the same package"],
    ["a file as the root", [{ name: "./", type: "symlink", linkname: "/" }], "`./` in `x.deb` stands where the root directory should be"],
  ])("%s", async (_, entries, message) => {
    expect(await refusal(await withEntries(...entries))).toBe(message);
  });

  test("a sparse member that claims 10 GB", async () => {
    const data = await tarFile([{ name: "./big", content: "x" }]);
    data.write("S", 156);
    fixSum(data, 0);
    expect(await refusal(await debOf(data))).toBe("`./big` in `x.deb` is a sparse file, which debcast does not unpack");
  });

  test("a name that is not UTF-8", async () => {
    const data = await tarFile([{ name: "./", type: "directory" }, { name: "./xyz", content: "" }]);
    data.write("\xff", data.indexOf("./xyz") + 2, "latin1");
    fixSum(data, 512);
    expect(await refusal(await debOf(data))).toBe("`./\xffyz` in `x.deb` has a name or a target that is not UTF-8");
  });

  test("a member that claims more than there is", async () => {
    const data = await tarFile([{ name: "./big", content: "x" }]);
    data.write("77777777777", 124);
    fixSum(data, 0);
    expect(await refusal(await debOf(data))).toBe("`./big` in `x.deb` ends beyond its archive");
  });

  test.each<Compression>(["xz", "gz", "zst", "none"])("zeros without end in %s, and nothing of them stays on the disk", async (compression) => {
    const bytes = await makeDeb({ name: "bomb", files: { "/zeros": Buffer.alloc(24 << 20) }, compression });
    expect(await refusal(bytes, { limit: 8 << 20 })).toBe("`x.deb` unpacks to more than 8.4 MB, which is refused");
  });

  test("broken containers", async () => {
    const whole = await makeDeb(good);
    const said = [
      await refusal(Buffer.from("not an archive")),
      await refusal(whole.subarray(0, whole.length - 40)),
      await refusal(Buffer.concat([Buffer.from("!<arch>\n"), Buffer.alloc(60)])),
      await refusal(arFile([{ name: "debian-binary", content: Buffer.from("3.0\n") }])),
      await refusal(arFile([{ name: "debian-binary", content: Buffer.from("2.0\n") }])),
      await refusal(arFile([{ name: "control.tar", content: Buffer.alloc(0) }])),
      await refusal(arFile([{ name: "debian-binary", content: Buffer.from("2.0\n") }, { name: "control.tar", content: Buffer.alloc(1024) }, { name: "data.tar.lz4", content: Buffer.alloc(9) }])),
    ];
    expect(said.map((s) => s.replace("`x.deb` is no Debian package: ", ""))).toMatchInlineSnapshot(`
      [
        "it does not begin as an ar archive",
        "its member \`data.tar.xz\` ends beyond the file",
        "the ar header at byte 8 is broken",
        "its format is \`3.0\`, and only 2.x is known",
        "there is \`nothing\` where \`control.tar\` should be",
        "its first member is not \`debian-binary\`",
        "there is \`data.tar.lz4\` where \`data.tar\` should be",
      ]
    `);
  });

  test("broken compression", async () => {
    const xz = compress(await tarFile([{ name: "./", type: "directory" }]), "xz");
    const flipped = Buffer.from(xz);
    flipped[20]! ^= 0xff;
    const said = [await refusal(await debOf(flipped, ".xz")), await refusal(await debOf(xz.subarray(0, 40), ".xz")), await refusal(await debOf(Buffer.from("junk"), ".gz"))];
    expect(said).toMatchInlineSnapshot(`
      [
        "\`x.deb\` cannot be decompressed: xz: (stdin): Compressed data is corrupt",
        "\`x.deb\` is no Debian package: a member of it is not one whole xz stream",
        "\`x.deb\` cannot be decompressed: gzip: stdin: not in gzip format",
      ]
    `);
  });

  test("broken control archives", async () => {
    const of = async (entries: TestEntry[]) => {
      const data = await tarFile([{ name: "./", type: "directory" }]);
      return refusal(arFile([{ name: "debian-binary", content: Buffer.from("2.0\n") }, { name: "control.tar", content: await tarFile(entries) }, { name: "data.tar", content: data }]));
    };
    const control = { name: "./control", content: controlText({ name: "x" }) };
    const said = [
      await of([]),
      await of([{ name: "./md5sums", content: "" }]),
      await of([control, { name: "./../postinst", content: "" }]),
      await of([control, { name: "./list.d/x", content: "" }]),
      await of([control, { name: "./postinst", type: "symlink", linkname: "/bin/sh" }]),
      await of([control, control]),
    ];
    expect(said).toMatchInlineSnapshot(`
      [
        "the control archive of \`x.deb\` is broken: it cannot be read (TAR_BAD_ARCHIVE: Unrecognized archive format)",
        "the control archive of \`x.deb\` is broken: there is no file \`control\` in it",
        "the control archive of \`x.deb\` is broken: it has a file with the name \`../postinst\`",
        "the control archive of \`x.deb\` is broken: it has a file with the name \`list.d/x\`",
        "the control archive of \`x.deb\` is broken: \`postinst\` in it is no plain file",
        "the control archive of \`x.deb\` is broken: \`control\` is in it twice",
      ]
    `);
  });
});

test("the index of xz streams is read like xz reads it", async () => {
  const path = join(work, "many-blocks.xz");
  const data = compress(Buffer.alloc(3_000_000, "abc"), "xz");
  writeFileSync(path, Buffer.concat([Buffer.alloc(7), data, Buffer.alloc(5)]));
  const fd = openSync(path, "r");
  expect(xzSize(fd, 7, data.length)).toBe(3_000_000);
  expect(xzSize(fd, 7, data.length - 4)).toBeUndefined();
  expect(xzSize(fd, 3, data.length + 4)).toBeUndefined();
  closeSync(fd);
});

test("storeDeb stores one", async () => {
  const path = join(work, "one.deb");
  const bytes = await makeDeb({ name: "one" });
  writeFileSync(path, bytes);
  const s = await storeDeb(path, sha256(bytes), dir);
  expect(s.label).toBe("one.deb");
  expect(existsSync(s.tar)).toBe(true);
});

async function debOf(data: Buffer, suffix = ""): Promise<Buffer> {
  const control = await tarFile([{ name: "./control", content: controlText({ name: "x" }) }]);
  return arFile([{ name: "debian-binary", content: Buffer.from("2.0\n") }, { name: "control.tar", content: control }, { name: `data.tar${suffix}`, content: data }]);
}

function fixSum(tar: Buffer, at: number): void {
  tar.write("        ", at + 148);
  const sum = tar.subarray(at, at + 512).reduce((a, b) => a + b, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148);
}
