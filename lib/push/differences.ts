// In what a device differs from an image, and which of that is for a push to change.
import { UserError, exitStatus } from "../errors.ts";
import { formatCount } from "../format.ts";
import { clashes } from "./accounts.ts";
import { readAccounts, type AccountFile } from "./accountsline.ts";
import { deltaOf, mayBeInTheWay, share, type Delta, type Shares } from "./delta.ts";
import { deletable } from "./extras.ts";
import type { PushImage } from "./image.ts";
import { asBytes, readable, type Items } from "./inventory.ts";
import { kept, type Kept } from "./kept.ts";
import { guard, keptByDevices, type Whose } from "./protect.ts";
import { printfFormat, withPaths, type Remote } from "./remote.ts";
import { discover, type SendingOptions } from "./rsync.ts";

/** The images that the paths of the device are of, if all of them are known here. */
export function known(image: PushImage, mark: Readonly<Record<string, string>>, half: readonly string[] | undefined): Kept[] | undefined {
  const ids = [mark.image ?? "", ...(half ?? [])];
  // A line that was being written when the power went says nothing.
  if (half?.length === 0) return undefined;
  const found = [...new Set(ids)].map((id) => (id === image.inventory.id ? image.inventory : kept(image.downloads, id)));
  return found.every((k) => k !== undefined) ? found : undefined;
}

export interface Differences {
  readonly shares: Shares;
  /** Of its own settings, those that are still what the image had. */
  readonly settings: readonly string[];
  readonly accounts: readonly AccountFile[];
  /** The accounts as they are to be by now: somebody may have changed them on the device meanwhile. */
  readAgain(): Promise<AccountFile[]>;
}

export interface Comparing {
  readonly image: PushImage;
  /** What the device may be of, as far as that is known; else all of it is compared. */
  readonly have: readonly Kept[] | undefined;
  /** Paths that conf/devices.ts gives it. */
  readonly protect: readonly string[];
  /** Whether it is about the disk below a root in RAM: what is in RAM does not say what the disk lacks. */
  readonly disk: boolean;
}

export async function differences(remote: Remote, rsync: SendingOptions, o: Comparing): Promise<Differences> {
  const { image, have } = o;
  const want = image.inventory.items;
  const kept = [...o.protect, ...remote.hello.mounts.map(readable)];
  const whose = guard(kept);
  const delta = have ? deltaOf(have.map((h) => h.items), want) : await compared(remote, rsync, { image, kept, whose });
  const all = share(delta, want, { whose, had: (path) => have?.[0]?.items.has(path) ?? false });
  await nothingInTheWay(remote, rsync.connection.device.name, mayBeInTheWay(all.send, want, [...kept.map(asBytes), ...keptByDevices]));
  const settings = all.settings.length === 0 || !have ? [] : await unchangedSettings(remote, all.settings, have.map((h) => h.items));
  const shares = { ...all, seeds: o.disk ? all.seeds : await missing(remote, all.seeds), gone: [...all.gone, ...settings.filter((p) => !want.has(p))].sort() };
  const readAgain = () => readAccounts(remote, { device: rsync.connection.device.name, image: image.inventory.accounts, was: have?.map((h) => h.accounts) ?? [] });
  const accounts = shares.accounts.length === 0 ? [] : await readAgain();
  for (const { file, text } of accounts.filter((a) => a.file === "/etc/passwd" || a.file === "/etc/group")) {
    for (const [own, of, id] of clashes(text, image.inventory.accounts[file]!)) rsync.emit({ type: "warning", text: `\`${own}\` of \`${rsync.connection.device.name}\` and \`${of}\` of the image both have the id ${id} in ${file}` });
  }
  return { shares, settings: settings.filter((p) => want.has(p)), accounts, readAgain };
}

/** By rsync, byte for byte. */
async function compared(remote: Remote, rsync: SendingOptions, o: { image: PushImage; kept: readonly string[]; whose: (path: string) => Whose }): Promise<Delta> {
  const found = await discover(rsync, o.kept);
  const want = o.image.inventory.items;
  // What is in /var and no package's has become the device's: databases, caches, states.
  const isState = (path: string) => path.startsWith("/var/") && !path.startsWith("/var/lib/dpkg/") && want.get(path)?.type === "f" && !o.image.owns(path);
  // So has what was once made in a home.
  const isOwn = (path: string) => isState(path) || o.whose(path) === "seed";
  return { send: [...found.added, ...found.changed.filter((p) => !isOwn(p))].filter((p) => want.has(p)).sort(), gone: await deletable(remote, found.extra) };
}

/** A directory in whose place the image has something else must hold nothing of the device's: rsync would take it away with all that is in it. */
async function nothingInTheWay(remote: Remote, name: string, maybe: readonly { path: string; kept: string }[]): Promise<void> {
  if (maybe.length === 0) return;
  const test = '[ -d "$1" ] && [ ! -L "$1" ] && if [ -d "$2" ]; then [ -n "$(ls -A "$2")" ]; else [ -e "$2" ]; fi';
  for (const { path, kept } of maybe) {
    const r = await remote.ask(`set -- "$(printf ${printfFormat(path)})" "$(printf ${printfFormat(kept)})"; ${test}`);
    if (r.status !== 0) continue;
    throw new UserError("push.in-the-way", `the image has something else than a directory at \`${readable(path)}\`, and there \`${name}\` keeps what is its own (${readable(kept)})`, { hint: `debcast ssh ${name}   # and move that elsewhere, if it may go`, exit: exitStatus.device });
  }
}

/** Those of which nothing is there. */
async function missing(remote: Remote, paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return [];
  const { lines } = await remote.ask(withPaths(`sh -c 'for p; do if [ -e "$p" ] || [ -L "$p" ]; then echo there; else echo missing; fi; done' sh`, paths));
  return paths.filter((_, i) => lines[i] === "missing");
}

async function unchangedSettings(remote: Remote, paths: readonly string[], haves: readonly Items[]): Promise<string[]> {
  const { lines } = await remote.ask(withPaths("sha256sum --", paths));
  const sums = new Map(lines.flatMap((l) => (/^([0-9a-f]{64}) [ *](.*)$/.exec(l) ? [[l.slice(66), l.slice(0, 64)] as const] : [])));
  return paths.filter((p) => haves.some((had) => sums.get(p) === had.get(p)?.content));
}

export function summary({ shares: { send, seeds, gone }, settings, accounts }: Differences): string {
  const sent = send.length + seeds.length + accounts.length + settings.length;
  if (sent + gone.length === 0) return "nothing differs";
  return [sent > 0 ? `${formatCount(sent, "path")} to send` : "", gone.length > 0 ? `${gone.length} to remove` : ""].filter((t) => t !== "").join(", ");
}
