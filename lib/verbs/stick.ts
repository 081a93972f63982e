import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { runVerb } from "../child.ts";
import { mapDisk, mappedBytes, writeBmap, type BlockMap } from "../disk/bmap.ts";
import { bootLoader, type BootFile } from "../disk/boot.ts";
import { parseSet, templatesOf } from "../disk/devices.ts";
import { makeDisk, placeFiles } from "../disk/make.ts";
import { manifestOf } from "../disk/manifest.ts";
import { ownDirectory } from "../disk/own.ts";
import { restoreFiles, stickLayout, stickRoot, type Settings } from "../disk/restore.ts";
import { diskOfImage, needsScriptlet } from "../disk/whole.ts";
import { UserError, exitStatus } from "../errors.ts";
import { span, stage } from "../events.ts";
import { formatBytes } from "../format.ts";
import { imageFiles } from "../output/image.ts";
import type { Conf } from "../plan/plan.ts";
import { load, prepare, type Prepared } from "../prepare.ts";
import { connect } from "../push/connection.ts";
import { devicesOf } from "../push/devices.ts";
import { diskMark, readImage } from "../push/image.ts";
import { ensureStick, sendToStick } from "../push/tostick.ts";
import { imageName } from "../project.ts";
import { measure } from "../rootfs/tree.ts";
import { shellQuote } from "../run.ts";
import { ensureHostPrograms } from "../setup.ts";
import { openSandbox } from "../tools.ts";
import { imageChanged, imageOf } from "./built.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

/** The conf of the stick's own image. */
const stickConf = "stick";

export const verb: Verb = {
  name: "stick",
  usage: "stick [-o FILE | --to DEVICE]",
  summary: "a restore stick: it starts by itself and puts the image onto a device's disk",
  options: {
    output: { type: "string", short: "o", value: "FILE", help: "default: out/NAME.stick.img; a directory (DIR/) gets the files of RESTORE alone" },
    disk: { type: "string", value: "WORD", help: "which disk it writes: only, serial:…, model:…, path:/dev/… (default: it asks)" },
    yes: { type: "boolean", help: "it writes without a question" },
    to: { type: "string", value: "DEVICE", help: "sends it to a stick that this device has started from, in the place of what is on it" },
    set: { type: "string", multiple: true, value: "KEY=VALUE", help: "of every device: hostname, address, gateway, dns, serial; can be repeated" },
  },
  namespaces: "of a user",
  // In processes of their own, which enter namespaces of their own.
  early: async (c) => {
    settingsOf(c);
    if (c.options.to !== undefined) return sent(c, c.options.to as string);
    needsScriptlet(await load(c));
    onlyRead((await load({ ...c, conf: stickConf })).conf);
    await buildAll(c);
    return undefined;
  },
  run: async (c: Context): Promise<Outcome> => {
    const settings = settingsOf(c);
    const s = await prepare({ ...c, conf: stickConf });
    const p = await prepare(c);
    const made = await stage(c.emit, "stick", () => make(c, { p, s, settings }), ({ bytes }) => formatBytes(bytes));
    const file = relative(process.cwd(), made.file);
    if (made.written === undefined) return { text: `${file}: ${formatBytes(made.bytes)}, to be copied onto the partition RESTORE of a stick`, data: made };
    return {
      text: `${file}: ${formatBytes(made.bytes)}, of which ${formatBytes(made.written)} are written`,
      data: made,
      next: [`sudo dd if=${file} of=/dev/sdX bs=4M conv=fsync   # or bmaptool copy, which is faster`, `debcast vm ${file} --disk DISK.img`],
    };
  },
};

function settingsOf(c: Context): Settings {
  const disk = c.options.disk as string | undefined;
  if (disk !== undefined && !/^(ask|only|serial:.+|model:.+|path:\/dev\/.+)$/.test(disk)) {
    throw new UserError("stick.disk", `\`--disk ${disk}\` names no disk`, { hint: "it is one of only, serial:…, model:…, path:/dev/…" });
  }
  const confirm = c.options.yes !== true;
  if (!confirm && (disk === undefined || disk === "ask")) throw new UserError("stick.disk", "`--yes` without a disk: the stick would not know which one to write", { hint: "--disk only --yes" });
  return { disk, confirm, values: parseSet((c.options.set as string[] | undefined) ?? []) };
}

/** Makes the files of RESTORE, and sends them over the net. */
async function sent(c: Context, word: string): Promise<Outcome> {
  if (c.options.output !== undefined) throw new UserError("usage", "`--to` and `--output` are two ways to put it somewhere", { exit: exitStatus.usage });
  await ensureHostPrograms(c.emit, { for: "push" });
  const [device] = await devicesOf(c.project, [word], c.conf);
  const connection = await connect(device!);
  const dir = ownDirectory(c.project.outDir, `${imageName(c.conf)}.to-stick`);
  try {
    await ensureStick(connection);
    const given = ["disk", "yes", "set"].flatMap((key) => [c.options[key] ?? []].flat().map((v) => (v === true ? `--${key}` : `--${key}=${String(v)}`)));
    await runVerb("stick", { ...c, words: [...wordsOf(c), "-o", `${dir}/`, ...given], error: ["stick.build", "there is nothing to send"] });
    const bytes = await stage(c.emit, "send", () => sendToStick(connection, { dir, keepsSettings: given.length === 0, emit: c.emit, again: shellQuote(["debcast", "stick", "--to", word, ...given]) }), (n) => formatBytes(n));
    return {
      text: `${device!.name}: its stick has \`${imageName(c.conf)}\` now, ${formatBytes(bytes)} were sent; it begins anew, and its screen says what it does`,
      data: { device: device!.name, image: imageName(c.conf), bytes, settings: given.length === 0 ? "kept" : "sent" },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
    await connection.close();
  }
}

function wordsOf(c: Context): string[] {
  return [...(c.json || c.options.quiet === true ? ["--quiet"] : []), ...(c.locked ? ["--locked"] : []), ...(c.cache ? [] : ["--no-cache"])];
}

/** Both images and the tarball, as far as they are not there or not what the confs say. */
async function buildAll(c: Context): Promise<void> {
  const o = { ...c, words: wordsOf(c), error: ["stick.build", "there is nothing to put onto a stick"] as const };
  await runVerb("image", o);
  if (tarballIsOld(c)) await runVerb("tar", o);
  await runVerb("image", { ...o, conf: stickConf });
}

function onlyRead({ disk, file }: Conf): void {
  const hint = 'disk: { root: { mode: "overlay", size: "fit" }, persist: false },';
  if ((disk?.root.mode ?? "rw") === "rw" || disk?.persist !== false) throw new UserError("stick.conf", "nothing may be written to a stick, nor to the disks of a device while it starts", { where: { file }, hint });
  // Partitions go by their names.
  if (disk.data) throw new UserError("stick.conf", "a stick has no `disk.data`: it would mount the data partition of the device that it starts on", { where: { file }, hint });
}

/** Whether it holds another image than is there now. */
function tarballIsOld(c: Context): boolean {
  const [state, tarball] = [imageFiles(c.project, imageName(c.conf)).state, tarballOf(c)];
  return !existsSync(tarball) || !existsSync(state) || statSync(state).mtimeMs > statSync(tarball).mtimeMs;
}

function tarballOf(c: Context): string {
  return join(c.project.outDir, `${imageName(c.conf)}.tar.zst`);
}

interface Made {
  readonly file: string;
  readonly bytes: number;
  /** Bytes that have to be; of a directory none is said. */
  readonly written?: number;
}

async function make(c: Context, { p, s, settings }: { p: Prepared; s: Prepared; settings: Settings }): Promise<Made> {
  const built = [imageOf(c, p.conf.name), imageOf(c, s.conf.name)] as const;
  const [image, own] = [built[0].dir, built[1].dir];
  const target = diskOfImage(p, image);
  const starts = diskOfImage(s, own, stickRoot);
  const sandbox = await openSandbox(c, p.lock, async () => p);
  const work = ownDirectory(c.project.outDir, `${p.conf.name}.stick`);
  mkdirSync(work, { recursive: true });
  try {
    const tarball = tarballOf(c);
    const manifest = join(work, "manifest");
    const [{ bytes: content }, mark] = await Promise.all([
      measure(image), readImage(c.project, p.conf.name).then(diskMark),
      span(c.emit, "manifest", "stick", () => manifestOf({ image, own, to: manifest, sandbox })),
    ]);
    const files = await restoreFiles({
      name: p.conf.name, image, epoch: p.epoch, content, tarball: { file: tarball, bytes: statSync(tarball).size }, manifest,
      layout: target.layout, seed: target.seed, boot: target.boot, bootLoader: bootLoader(sandbox), templates: templatesOf(image), mark, settings,
    });
    if (tarballIsOld(c)) throw imageChanged(p.conf.name);
    const stayed = () => built.forEach((b) => b.stayed());
    stayed();
    const output = c.options.output as string | undefined;
    if (output?.endsWith("/")) return plain(resolve(output), files);
    const file = output === undefined ? join(c.project.outDir, `${p.conf.name}.stick.img`) : resolve(output);
    const seed = `${target.seed} ${starts.seed}`;
    const layout = stickLayout(starts.layout, bytesOf(files), seed);
    let map: BlockMap = { ranges: [], bytes: 0 };
    await makeDisk({ image: own, file, layout, boot: starts.boot, files, sandbox, work: join(work, "disk"), seed }, async (part) => {
      stayed();
      map = await mapDisk(part, layout, file);
    });
    writeBmap(file, map);
    return { file, bytes: layout.bytes, written: mappedBytes(map.ranges) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function bytesOf(files: readonly BootFile[]): number {
  return files.reduce((sum, { content }) => sum + (typeof content === "string" ? Buffer.byteLength(content) : statSync(content.file).size), 0);
}

function plain(dir: string, files: readonly BootFile[]): Made {
  placeFiles(dir, files);
  return { file: dir, bytes: bytesOf(files) };
}
