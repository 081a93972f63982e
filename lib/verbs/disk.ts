import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { confNames } from "../conf.ts";
import { mapDisk, mappedBytes, writeBmap, type BlockMap } from "../disk/bmap.ts";
import { copyDisk } from "../disk/copy.ts";
import { described, deviceFor, mayWrite, writeDevice } from "../disk/device.ts";
import { parseSet, parseTable, setValues, type DeviceValues } from "../disk/devices.ts";
import { makeDisk } from "../disk/make.ts";
import { ownDirectory } from "../disk/own.ts";
import { compress, kindOf, toQcow2 } from "../disk/kinds.ts";
import { diskOfImage } from "../disk/whole.ts";
import { UserError } from "../errors.ts";
import { span, stage } from "../events.ts";
import { formatBytes } from "../format.ts";
import { prepare } from "../prepare.ts";
import { imageName } from "../project.ts";
import { diskMark, readImage } from "../push/image.ts";
import { shellQuote } from "../run.ts";
import { openSandbox } from "../tools.ts";
import { confirm } from "./ask.ts";
import { imageOf } from "./built.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "disk",
  usage: "disk [-o FILE]",
  summary: "a disk that boots: .img, .img.zst or .qcow2, to be written with dd or bmaptool",
  options: {
    output: { type: "string", short: "o", value: "FILE", help: "default: out/NAME.img, and out/HOSTNAME.img with --set" },
    set: { type: "string", multiple: true, value: "KEY=VALUE", help: "of this one device: hostname, address, gateway, dns, serial; can be repeated" },
    device: { type: "string", value: "DEV", help: "write it to this disk, after a question" },
    yes: { type: "boolean", help: "ask nothing" },
    table: { type: "string", value: "FILE", help: "a disk for each row: out/HOSTNAME.img" },
  },
  namespaces: "of a user",
  run: async (c: Context): Promise<Outcome> => {
    const values = parseSet((c.options.set as string[] | undefined) ?? []);
    const rows = c.options.table === undefined ? undefined : parseTable(c.options.table as string);
    if (rows && (c.options.device !== undefined || c.options.output !== undefined || Object.keys(values).length > 0)) throw new UserError("disk.table", "`--table` says what the disks are called and what is in them", { hint: "leave out `-o`, `--set` and `--device`" });
    const file = c.options.output === undefined ? join(c.project.outDir, fileOf(c, values)) : resolve(c.options.output as string);
    if (kindOf(file) !== "img" && c.options.device !== undefined) throw new UserError("disk.device", "a device is written from an .img", { hint: "leave out `-o`" });
    const p = await prepare(c);
    const image = imageOf(c, p.conf.name);
    const { boot, layout, seed } = diskOfImage(p, image.dir);
    const sandbox = await openSandbox(c, p.lock, async () => p);
    const own = ownDirectory(c.project.outDir, `${p.conf.name}.disk`);
    // All of the image is read for it, beside the programs that make the file systems.
    const mark = readImage(c.project, p.conf.name).then(diskMark);
    mark.catch(() => {});
    const o = { layout, image: image.dir, sandbox, work: join(own, "values"), mark };
    const whole = { image: image.dir, layout, boot, sandbox, work: join(own, "make"), seed };
    try {
      const m = { whole, o, own, name: p.conf.name, stayed: image.stayed };
      return await (rows ? table(c, { ...m, rows }) : single(c, { ...m, file, values }));
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  },
};

/** A disk with values of one device is none that `vm` and all others start from. */
function fileOf({ project, conf }: Context, { hostname, ...more }: DeviceValues): string {
  const name = imageName(conf);
  if (hostname === undefined) return Object.keys(more).length === 0 ? `${name}.img` : `${name}.set.img`;
  return [...confNames(project), name].includes(hostname) ? `${hostname}.set.img` : `${hostname}.img`;
}

/** A file, and a device that gets what is in it. */
async function single(c: Context, m: Making & { file: string; values: DeviceValues }): Promise<Outcome> {
  const { file, whole: { layout } } = m;
  const device = c.options.device === undefined ? undefined : await deviceFor(c.options.device as string, layout.bytes);
  if (device) mayWrite(device, relative(process.cwd(), file));
  if (device && c.options.yes !== true) await confirm(`${device.path} (${described(device)}) becomes \`${m.name}\` and loses what is on it`, device.path);
  const made = await stage(c.emit, "disk", () => one(c, m), () => formatBytes(layout.bytes));
  if (device) {
    await stage(c.emit, "disk", () => writeDevice(file, made.map, device, c.emit), () => `${device.path} written and compared`);
    return { text: `${device.path}: ${described(device)}, written and compared`, data: { device: device.path, bytes: layout.bytes, written: made.bytes } };
  }
  return { text: `${relative(process.cwd(), file)}: ${formatBytes(layout.bytes)}, of which ${formatBytes(made.bytes)} are written`, data: { file, bytes: layout.bytes, written: made.bytes }, next: nextOf(c, file) };
}

function nextOf(c: Context, file: string): string[] {
  const word = shellQuote([relative(process.cwd(), file)]);
  const vm = file === join(c.project.outDir, `${imageName(c.conf)}.img`) ? "debcast vm" : `debcast vm ${word}`;
  const written = { img: [vm, `sudo dd if=${word} of=/dev/sdX bs=4M conv=fsync   # or bmaptool copy, which is faster`], zst: [`sudo bmaptool copy ${word} /dev/sdX`], qcow2: [vm] };
  return written[kindOf(file)];
}

interface Making {
  readonly whole: Omit<Parameters<typeof makeDisk>[0], "file">;
  readonly o: Omit<Parameters<typeof setValues>[2], "mark"> & { readonly mark: Promise<string> };
  /** A directory of this process's own. */
  readonly own: string;
  /** Of the conf. */
  readonly name: string;
  /** Throws where the image is another one by now. */
  readonly stayed: () => void;
}

/** Makes one disk; returns its map, and the bytes that have to be written or that the packed file has. */
async function one(c: Context, m: Making & { file: string; values: DeviceValues }): Promise<{ map: BlockMap; bytes: number }> {
  const kind = kindOf(m.file);
  const raw = kind === "img" ? m.file : join(m.own, "raw.img");
  let map: BlockMap = { ranges: [], bytes: 0 };
  await makeDisk({ ...m.whole, file: raw }, async (part) => {
    await setValues(part, m.values, { ...m.o, mark: await m.o.mark });
    m.stayed();
    if (kind !== "qcow2") map = await span(c.emit, "block map", "disk", () => mapDisk(part, m.o.layout, m.file));
  });
  mkdirSync(dirname(m.file), { recursive: true });
  if (kind === "zst") await compress(raw, m.file, m.whole.sandbox);
  if (kind === "qcow2") await toQcow2(raw, m.file);
  else writeBmap(m.file, map);
  return { map, bytes: kind === "img" ? mappedBytes(map.ranges) : statSync(m.file).size };
}

/** The first one is made, the others are copies of it with other values. */
async function table(c: Context, m: Making & { rows: readonly DeviceValues[] }): Promise<Outcome> {
  const plain = join(m.own, "plain.img");
  await stage(c.emit, "disk", () => makeDisk({ ...m.whole, file: plain }, async () => m.stayed()));
  const files = m.rows.map((row) => join(c.project.outDir, fileOf(c, row)));
  for (const [i, file] of files.entries()) await stage(c.emit, "disk", () => copyWith(m.rows[i]!, { ...m, plain, file }), () => m.rows[i]!.hostname!);
  return { text: files.map((f) => relative(process.cwd(), f)).join("\n"), data: { files } };
}

async function copyWith(row: DeviceValues, m: Making & { plain: string; file: string }): Promise<void> {
  let map: BlockMap | undefined;
  await copyDisk(m.plain, m.file, async (part) => {
    await setValues(part, row, { ...m.o, mark: await m.o.mark });
    map = await mapDisk(part, m.o.layout, m.file);
  });
  writeBmap(m.file, map!);
}
