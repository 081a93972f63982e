// One push: what a device lacks to be the image is found out, sent in the order that does least harm, and made to take effect.
//
// From before the first change until all is done the device says that it is half pushed, and towards which image. So what may differ on it
// is known at every moment: each path is as in the image that it ran, or as in one that a push began to make of it.
import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { UserError, exitStatus } from "../errors.ts";
import { stage, type Emit } from "../events.ts";
import { formatBytes, formatCount } from "../format.ts";
import { clashes } from "./accounts.ts";
import { accountsLine, readAccounts } from "./accountsline.ts";
import { afterOf, holdersOf, unitsOfProcesses, type After } from "./after.ts";
import type { Connection } from "./connection.ts";
import { deltaOf, inTheWay, passesOf, roomFor, share, type Delta, type Shares } from "./delta.ts";
import { diskMark, type PushImage } from "./image.ts";
import { deletable } from "./extras.ts";
import { readable, type Items } from "./inventory.ts";
import { kept, type Kept } from "./kept.ts";
import { stagePush } from "./persist.ts";
import { guard } from "./protect.ts";
import { checkRoom } from "./room.ts";
import { parseMarks, printfFormat, withPaths, type Remote } from "./remote.ts";
import { discover, noRsync, send, type RsyncOptions } from "./rsync.ts";
import { takeEffect } from "./takeeffect.ts";

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
  const { name } = connection.device;
  const ms: Record<string, number> = {};
  const timed = async <T>(what: "compare" | "send" | "after", work: () => Promise<T>, describe?: (r: T) => string): Promise<T> => {
    const start = performance.now();
    try {
      return await stage(o.emit, what, work, describe);
    } finally {
      ms[what] = Math.round(performance.now() - start);
    }
  };
  if (!hello.rsync) throw noRsync(name);
  if (hello.root.options.includes("ro")) throw new UserError("push.read-only", `/ of \`${name}\` is mounted read-only`, { hint: `debcast ssh ${name} -- sudo dmesg   # says why, when it was writable before\ndebcast ssh ${name} -- sudo mount -o remount,rw /`, exit: exitStatus.device });

  if (hello.mark.conf !== undefined && hello.mark.conf !== image.name && !o.replace && !o.dryRun) {
    throw new UserError("push.other", `\`${name}\` runs \`${hello.mark.conf}\`, and this would make \`${image.name}\` of it`, { hint: `debcast push -c ${hello.mark.conf} ${name}\ndebcast push -c ${image.name} --replace ${name}   # if that is meant`, exit: exitStatus.device });
  }

  const rsync: RsyncOptions = { connection, image: image.dir, emit: o.emit };
  const volatile = hello.root.type === "overlay" || hello.root.type === "tmpfs";
  if (o.persist && !volatile) throw new UserError("push.persist", `/ of \`${name}\` is on its disk, so all that is pushed lasts`, { hint: "leave out `--persist`", exit: exitStatus.usage });
  const have = o.persist ? known(image, hello.slot ?? hello.mark, hello.slot ? undefined : hello.half) : o.full ? undefined : known(image, hello.mark, hello.half);
  if (o.persist && !have) throw new UserError("push.persist-unknown", `it is not known what the disk of \`${name}\` holds: it says of no image that was pushed or put on a disk from here`, { hint: "debcast disk", exit: exitStatus.device });
  const want = image.inventory.items;
  const d = await timed("compare", () => differences(remote, rsync, { image, have, protect: connection.device.protect }), summary);
  // What a push that was cut short has changed is not told apart, nor what it has started again.
  const had = have?.length === 1 ? have[0]!.items : undefined;
  const after = afterOf({ delta: { send: [...d.shares.send, ...d.settings], gone: d.shares.gone }, had, want, made: image.made, units: image.units, kernel: hello.kernel });
  const effect = await opened(remote, after);
  const result = {
    device: name, image: image.inventory.id, bytes: 0, of: sizeOf(want), ms, volatile, staged: o.persist, boot: hello.boot,
    sent: [...d.shares.send, ...d.settings, ...d.shares.seeds, ...d.accounts.map((a) => a.file)].map(readable).sort(), removed: d.shares.gone.map(readable), left: d.shares.left.map(readable),
    packages: packageChanges(have?.[0], image.inventory),
    restarted: [...effect.restart, ...effect.tryRestart], stopped: effect.stop, failed: [], reboot: effect.reboot,
  };
  const changed = result.sent.length + result.removed.length > 0;
  if (o.dryRun || (!changed && (o.persist || hello.half === undefined) && (o.persist ? (hello.slot ?? hello.mark) : hello.mark).image === image.inventory.id)) return { ...result, changed };

  if (o.persist) {
    await begin(remote, name);
    const bytes = await timed("send", () => stagePush(rsync, remote, { shares: d.shares, settings: d.settings, want, mark: markOf(image) }), formatBytes);
    return { ...result, bytes, changed, restarted: [], stopped: [], reboot: ["the system on the disk"] };
  }
  checkRoom(name, remote.hello.free, roomFor([...d.shares.send, ...d.shares.seeds], want, { had: had ?? have?.[0]?.items, copied: volatile }));
  await begin(remote, name);
  await remote.must(`half ${image.inventory.id}${volatile ? " volatile" : ""}`, "it cannot be written to");
  const bytes = await timed("send", () => sendAll(rsync, remote, { shares: d.shares, settings: d.settings, want }), formatBytes);
  const took = await timed("after", async () => {
    if (d.accounts.length > 0) await remote.must(accountsLine(d.accounts, want), "its accounts could not be written");
    const took = await takeEffect(remote, effect, name);
    await remote.must(`done_ ${printfFormat(markOf(image))}`, "its mark could not be written");
    return took;
  }, (t) => (t.restarted.length > 0 ? `restarted ${t.restarted.join(", ")}` : ""));
  return { ...result, ...took, bytes, changed };
}

/** The images that the paths of the device are of, if all of them are known here. */
function known(image: PushImage, mark: Readonly<Record<string, string>>, half: readonly string[] | undefined): Kept[] | undefined {
  const ids = [mark.image ?? "", ...(half ?? [])];
  // A line that was being written when the power went says nothing.
  if (half?.length === 0) return undefined;
  const found = [...new Set(ids)].map((id) => (id === image.inventory.id ? image.inventory : kept(image.downloads, id)));
  return found.every((k) => k !== undefined) ? found : undefined;
}

// ── What differs ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Differences {
  readonly shares: Shares;
  /** Of its own settings, those that are still what the image had. */
  readonly settings: readonly string[];
  readonly accounts: readonly { readonly file: string; readonly text: string }[];
}

async function differences(remote: Remote, rsync: RsyncOptions, o: { image: PushImage; have: readonly Kept[] | undefined; protect: readonly string[] }): Promise<Differences> {
  const { image, have } = o;
  const want = image.inventory.items;
  const kept = [...o.protect, ...remote.hello.mounts.map(readable)];
  const whose = guard(kept);
  const delta = have ? deltaOf(have.map((h) => h.items), want) : await compared(remote, rsync, { image, kept });
  const blocked = inTheWay(delta, want, kept);
  if (blocked !== undefined) throw new UserError("push.in-the-way", `the image has something else than a directory at \`${readable(blocked)}\`, and below that \`${rsync.connection.device.name}\` has a mount or what conf/devices.ts protects`, { exit: exitStatus.device });
  const shares = share(delta, want, { whose, had: (path) => have?.[0]?.items.has(path) ?? false });
  const settings = shares.settings.length === 0 || !have ? [] : await unchangedSettings(remote, shares.settings, have[0]!.items);
  const accounts = shares.accounts.length === 0 ? [] : await readAccounts(remote, { image: image.inventory.accounts, was: have?.[0]?.accounts });
  for (const { file, text } of accounts.filter((a) => a.file === "/etc/passwd" || a.file === "/etc/group")) {
    for (const [own, of, id] of clashes(text, image.inventory.accounts[file]!)) rsync.emit({ type: "warning", text: `\`${own}\` of \`${rsync.connection.device.name}\` and \`${of}\` of the image both have the id ${id} in ${file}` });
  }
  return { shares, settings: settings.filter((p) => want.has(p)), accounts };
}

/** By rsync, byte for byte. */
async function compared(remote: Remote, rsync: RsyncOptions, o: { image: PushImage; kept: readonly string[] }): Promise<Delta> {
  const found = await discover(rsync, o.kept);
  const want = o.image.inventory.items;
  // What is in /var and no package's has become the device's: databases, caches, states.
  const isState = (path: string) => path.startsWith("/var/") && !path.startsWith("/var/lib/dpkg/") && want.get(path)?.type === "f" && !o.image.owns(path);
  return { send: [...found.added, ...found.changed.filter((p) => !isState(p))].filter((p) => want.has(p)).sort(), gone: await deletable(remote, found.extra) };
}

async function unchangedSettings(remote: Remote, paths: readonly string[], had: Items): Promise<string[]> {
  const { lines } = await remote.ask(withPaths("sha256sum --", paths));
  const sums = new Map(lines.flatMap((l) => (/^([0-9a-f]{64}) [ *](.*)$/.exec(l) ? [[l.slice(66), l.slice(0, 64)] as const] : [])));
  return paths.filter((p) => sums.get(p) === (had.get(p)?.content ?? undefined));
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

function summary({ shares: { send, seeds, gone }, settings, accounts }: Differences): string {
  const sent = send.length + seeds.length + accounts.length + settings.length;
  if (sent + gone.length === 0) return "nothing differs";
  return [sent > 0 ? `${formatCount(sent, "path")} to send` : "", gone.length > 0 ? `${gone.length} to remove` : ""].filter((t) => t !== "").join(", ");
}

function sizeOf(items: Items): number {
  let bytes = 0;
  for (const item of items.values()) bytes += item.size;
  return bytes;
}

// ── Changing it ────────────────────────────────────────────────────────────────────────────────────────────────────

async function begin(remote: Remote, name: string): Promise<void> {
  const r = await remote.ask(`begin ${printfFormat(who())}`);
  const exit = exitStatus.device;
  if (r.status === 75) throw new UserError("push.busy", `another push to \`${name}\` is under way${r.lines[0] ? `, by ${r.lines[0]}` : ""}; nothing was changed`, { hint: "wait until it is done", exit });
  if (r.status !== 0) throw new UserError("push.device", `\`${name}\`: no lock can be had on it`, { details: r.lines.join("\n"), exit });
  const now = parseMarks(r.lines);
  const { mark, half } = remote.hello;
  if (JSON.stringify(now) !== JSON.stringify({ mark, half })) throw new UserError("push.meanwhile", `another push to \`${name}\` was done meanwhile`, { hint: `debcast push ${name}`, exit });
}

/** Returns the bytes that went over the wire. */
async function sendAll(rsync: RsyncOptions, remote: Remote, o: { shares: Shares; settings: readonly string[]; want: Items }): Promise<number> {
  let bytes = 0;
  for (const pass of passesOf([...o.shares.send, ...o.settings].sort(), o.want)) bytes += await send(rsync, pass);
  for (const pass of passesOf(o.shares.seeds, o.want)) bytes += await send(rsync, pass, { existing: false });
  // Directories after what was in them, and those that hold something of the device's stay.
  const { gone } = o.shares;
  if (gone.length > 0) {
    const r = await remote.ask(withPaths("rm -fd --", [...gone].reverse()));
    const wrong = r.lines.filter((l) => !/: (Directory not empty|Not a directory)$/.test(l));
    if (wrong.length > 0) throw new UserError("push.remove", `\`${rsync.connection.device.name}\`: what the image has no more could not be removed`, { details: wrong.join("\n"), exit: exitStatus.device });
  }
  return bytes;
}

function markOf(image: PushImage): string {
  return `${diskMark(image)}when=${new Date().toISOString().replace(/\.\d+Z$/, "Z")}\nby=${who()}\npush=${randomUUID()}\n`;
}

/** `user@host` of this machine. */
function who(): string {
  return `${userInfo().username}@${hostname()}`.replace(/[^\x21-\x7e]/g, "?");
}
