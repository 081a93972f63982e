// One push: what a device lacks to be the image is found out, sent in the order that does least harm, and made to take effect.
//
// From before the first change until all is done the device says that it is half pushed, and towards which image. So what may differ on it
// is known at every moment: each path is as in the image that it ran, or as in one that a push began to make of it.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { UserError, exitStatus } from "../errors.ts";
import { stage, type Emit } from "../events.ts";
import { formatBytes } from "../format.ts";
import { accountsLine } from "./accountsline.ts";
import { afterOf, holdersOf, unitsOfProcesses, type After } from "./after.ts";
import type { Connection } from "./connection.ts";
import { passesOf, roomFor } from "./delta.ts";
import { differences, known, summary, type Differences } from "./differences.ts";
import { diskMark, type PushImage } from "./image.ts";
import { readable, type Items } from "./inventory.ts";
import type { Kept } from "./kept.ts";
import { stagePush } from "./persist.ts";
import { parseMarks, parseRoom, printfFormat, withPaths, type Hello, type Remote } from "./remote.ts";
import { checkRoom } from "./room.ts";
import { noRsync, send, type SendingOptions } from "./rsync.ts";
import { failedOf, takeEffect } from "./takeeffect.ts";

export interface PushOptions {
  readonly emit: Emit;
  /** All of the device's root is compared with the image, even where what differs is known. */
  readonly full: boolean;
  /** Nothing is changed. */
  readonly dryRun: boolean;
  /** Of a device whose root is in RAM: what is sent is put into its disk when it is started the next time. */
  readonly persist: boolean;
  /** The device may run another image definition than the one that is pushed. */
  readonly replace: boolean;
}

export interface PushResult {
  readonly device: string;
  /** Id of the image. */
  readonly image: string;
  readonly changed: boolean;
  /** Paths for people. */
  readonly sent: readonly string[];
  readonly removed: readonly string[];
  /** Paths that differ, and are the device's. */
  readonly left: readonly string[];
  readonly packages: readonly { readonly name: string; readonly from?: string; readonly to?: string }[];
  /** Over the wire, and of the whole image. */
  readonly bytes: number;
  readonly of: number;
  readonly ms: Readonly<Record<string, number>>;
  readonly restarted: readonly string[];
  readonly stopped: readonly string[];
  /** Units that do not run after they were started. */
  readonly failed: readonly { readonly unit: string; readonly says: string }[];
  /** Why only a restart of the device will do. */
  readonly reboot: readonly string[];
  /** Whether / is in RAM, so that what was sent is gone after a restart. */
  readonly volatile: boolean;
  /** Whether what was sent waits on /persist for the next start of the device. */
  readonly staged: boolean;
  readonly boot: string;
}

/** Makes the device what the image is. Throws a UserError of status 3 when it could not; what it left is said by the device itself. */
export async function pushTo(connection: Connection, remote: Remote, image: PushImage, o: PushOptions): Promise<PushResult> {
  const { hello } = remote;
  const { name, protect } = connection.device;
  const clock = stopwatch(o.emit);
  refuse(name, hello, image, o);
  const rsync: SendingOptions = { connection, image: image.dir, emit: o.emit };
  // The disk of a root in RAM may hold another image than the one that runs by now, and may have got some of what waits for its next start.
  const is = o.persist ? { mark: hello.slot ?? hello.mark, half: hello.staged && [hello.staged.image ?? ""] } : hello;
  const have = o.full && !o.persist ? undefined : known(image, is.mark, is.half);
  if (o.persist && !have) throw new UserError("push.persist-unknown", `it is not known what the disk of \`${name}\` holds: it says of no image that was pushed or put on a disk from here`, { hint: "debcast disk", exit: exitStatus.device });
  const d = await clock.timed("compare", () => differences(remote, rsync, { image, have, protect, disk: o.persist }), summary);
  const effect = await opened(remote, effectOf(d, { have, image, kernel: hello.kernel }));
  const volatile = isVolatile(hello);
  const sent = [...d.shares.send, ...d.settings, ...d.shares.seeds, ...d.accounts.map((a) => a.file)].map(readable).sort();
  const result = {
    device: name, image: image.inventory.id, changed: sent.length + d.shares.gone.length > 0, bytes: 0, of: sizeOf(image.inventory.items), ms: clock.ms, volatile, staged: o.persist, boot: hello.boot,
    sent, removed: d.shares.gone.map(readable), left: d.shares.left.map(readable), packages: packageChanges(have?.[0], image.inventory),
    restarted: [...effect.restart, ...effect.tryRestart], stopped: effect.stop, failed: [], reboot: [...new Set([...hello.due, ...effect.reboot])],
  };
  const nothing = !result.changed && is.half === undefined && is.mark.image === image.inventory.id;
  if (o.dryRun || nothing) return result;

  const free = await begin(remote, name);
  if (!o.persist) checkRoom(name, free, roomFor([...d.shares.send, ...d.shares.seeds], image.inventory.items, { had: have?.[0]?.items, copied: volatile }));
  const work = { rsync, remote, d, image, want: image.inventory.items, mark: markOf(image) };
  if (o.persist) {
    const bytes = await clock.timed("send", () => stagePush(work), formatBytes);
    return { ...result, bytes, restarted: [], stopped: [], reboot: ["the system on the disk"] };
  }
  await remote.must(`half ${image.inventory.id}${volatile ? " volatile" : ""}`, "it cannot be written to");
  const bytes = await clock.timed("send", () => sendAll(work), formatBytes);
  const took = await clock.timed("after", () => finish(work, { ...effect, reboot: result.reboot }), (t) => (t.restarted.length > 0 ? `restarted ${t.restarted.join(", ")}` : ""));
  return { ...result, ...took, bytes };
}

/** What can be known before anything is looked at. */
function refuse(name: string, hello: Hello, image: PushImage, o: PushOptions): void {
  const exit = exitStatus.device;
  if (!hello.rsync) throw noRsync(name);
  if (hello.root.options.includes("ro")) throw new UserError("push.read-only", `/ of \`${name}\` is mounted read-only`, { hint: `debcast ssh ${name} -- sudo dmesg   # says why, when it was writable before\ndebcast ssh ${name} -- sudo mount -o remount,rw /`, exit });
  if (o.persist && !isVolatile(hello)) throw new UserError("push.persist", `/ of \`${name}\` is on its disk, so all that is pushed lasts`, { hint: "leave out `--persist`", exit: exitStatus.usage });
  const runs = hello.mark.conf;
  if (runs === undefined || runs === image.name || o.replace || o.dryRun) return;
  throw new UserError("push.other", `\`${name}\` runs \`${runs}\`, and this would make \`${image.name}\` of it`, { hint: `debcast push -c ${runs} ${name}\ndebcast push -c ${image.name} --replace ${name}   # if that is meant`, exit });
}

function isVolatile(hello: Hello): boolean {
  return hello.root.type === "overlay" || hello.root.type === "tmpfs";
}

/** Times of the stages, in ms. */
function stopwatch(emit: Emit) {
  const ms: Record<string, number> = {};
  const timed = async <T>(what: "compare" | "send" | "after", work: () => Promise<T>, describe?: (r: T) => string): Promise<T> => {
    const start = performance.now();
    try {
      return await stage(emit, what, work, describe);
    } finally {
      ms[what] = Math.round(performance.now() - start);
    }
  };
  return { ms, timed };
}

// ── What follows ───────────────────────────────────────────────────────────────────────────────────────────────────

function effectOf(d: Differences, o: { have: readonly Kept[] | undefined; image: PushImage; kernel: string }): After {
  const { image, have, kernel } = o;
  return afterOf({
    delta: { send: [...d.shares.send, ...d.settings], gone: d.shares.gone }, want: image.inventory.items, made: image.made, units: image.units, kernel,
    // What a push that was cut short has changed is not told apart, nor what it has started again.
    had: have?.length === 1 ? have[0]!.items : undefined,
  });
}

/** Units that have something open that changes, and what follows when systemd itself has. */
async function opened(remote: Remote, after: After): Promise<After> {
  if (after.opened.length === 0 || !remote.hello.systemd || after.reboot.includes("libc")) return after;
  const { lines } = await remote.ask(`printf ${printfFormat(after.opened.map((p) => `${p}\n`).join(""))} | grep -HFf - /proc/[0-9]*/maps 2> /dev/null || true`);
  const pids = holdersOf(lines, after.opened);
  if (pids.length === 0) return after;
  const { units, init } = unitsOfProcesses((await remote.ask(`groups ${pids.join(" ")}`)).lines);
  const more = units.filter((u) => !after.restart.includes(u) && !after.tryRestart.includes(u) && !after.stop.includes(u));
  return { ...after, tryRestart: [...after.tryRestart, ...more], reboot: init && !after.reboot.includes("systemd") ? [...after.reboot, "systemd"] : after.reboot };
}

function packageChanges(had: Kept | undefined, want: Kept): PushResult["packages"] {
  if (!had) return [];
  const names = [...new Set([...Object.keys(had.packages), ...Object.keys(want.packages)])].sort();
  return names.flatMap((name) => {
    const [from, to] = [had.packages[name], want.packages[name]];
    return from === to ? [] : [{ name, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }];
  });
}

function sizeOf(items: Items): number {
  let bytes = 0;
  for (const item of items.values()) bytes += item.size;
  return bytes;
}

// ── Changing it ────────────────────────────────────────────────────────────────────────────────────────────────────

/** From now on no other push changes it. What is free on it, now that nothing lies about of one that was cut short. */
async function begin(remote: Remote, name: string): Promise<Hello["free"]> {
  const r = await remote.ask(`begin ${printfFormat(who())}`);
  const exit = exitStatus.device;
  if (r.status === 75) throw new UserError("push.busy", `another push to \`${name}\` is under way${r.lines[0] ? `, by ${r.lines[0]}` : ""}; nothing was changed`, { hint: "wait until it is done", exit });
  if (r.status !== 0) throw new UserError("push.device", `\`${name}\`: no lock can be had on it`, { details: r.lines.join("\n"), exit });
  const now = parseMarks(r.lines);
  const { mark, half, staged, refused } = remote.hello;
  if (JSON.stringify(now) !== JSON.stringify({ mark, half, staged, refused })) throw new UserError("push.meanwhile", `another push to \`${name}\` was done meanwhile`, { hint: `debcast push ${name}`, exit });
  return parseRoom(r.lines);
}

/** What is to be done, and with what. */
export interface Work {
  readonly rsync: SendingOptions;
  readonly remote: Remote;
  readonly d: Differences;
  readonly image: PushImage;
  readonly want: Items;
  /** Text of the mark that the device has when all is done. */
  readonly mark: string;
}

/** Returns the bytes that went over the wire. */
async function sendAll({ rsync, remote, d: { shares, settings }, image, want }: Work): Promise<number> {
  let bytes = 0;
  for (const pass of passesOf([...shares.send, ...settings].sort(), want)) bytes += await send(rsync, pass);
  for (const pass of passesOf(shares.seeds, want)) bytes += await send(rsync, pass, { existing: false });
  await stillThat(image, rsync.connection.device.name);
  // Directories after what was in them, and those that hold something of the device's stay.
  if (shares.gone.length > 0) {
    const r = await remote.ask(withPaths("rm -fd --", [...shares.gone].reverse()));
    const wrong = r.lines.filter((l) => !/: (Directory not empty|Not a directory)$/.test(l));
    if (wrong.length > 0) throw new UserError("push.remove", `\`${rsync.connection.device.name}\`: what the image has no more could not be removed`, { details: wrong.join("\n"), exit: exitStatus.device });
  }
  return bytes;
}

/** What was sent is of this image, and not in part of one that a build made of it meanwhile. */
export async function stillThat(image: PushImage, name: string): Promise<void> {
  if (!(await image.isStill())) throw new UserError("push.vanished", `the image changed while it was sent to \`${name}\``, { hint: `debcast push ${name}`, exit: exitStatus.device });
}

async function finish({ rsync, remote, d, want, mark }: Work, effect: After): Promise<Pick<PushResult, "restarted" | "stopped" | "failed">> {
  const accounts = d.accounts.length > 0 ? await d.readAgain() : [];
  if (accounts.length > 0) await remote.must(accountsLine(accounts, want), "its accounts could not be written");
  const took = await takeEffect(remote, effect, rsync.connection.device.name);
  // Known until the next start, whoever asks for that.
  if (effect.reboot.length > 0 && !isVolatile(remote.hello)) await remote.ask(`printf ${printfFormat(effect.reboot.map((why) => `${why}\n`).join(""))} > $due`);
  await remote.must(`done_ ${printfFormat(mark)}`, "its mark could not be written");
  return { restarted: took.restarted, stopped: took.stopped, failed: await failedOf(remote, took) };
}

function markOf(image: PushImage): string {
  return `${diskMark(image)}when=${new Date().toISOString().replace(/\.\d+Z$/, "Z")}\nby=${who()}\npush=${randomUUID()}\n`;
}

/** `user@host` of this machine. */
function who(): string {
  return `${process.env.USER ?? process.getuid!()}@${hostname()}`.replace(/[^\x21-\x7e]/g, "?");
}
