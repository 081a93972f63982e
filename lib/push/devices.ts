// What a device is called, where it is, and what belongs to it: conf/devices.ts, a word of ssh's, or the machine of `debcast vm`.
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { confNames, devicesFile, loadFromConf } from "../conf.ts";
import { UserError, exitStatus, nearest, throwAll } from "../errors.ts";
import { confPlace, type ConfSources } from "../plan/confplace.ts";
import { devicesModule } from "../plan/module.ts";
import { plainObject, shown } from "../plan/values.ts";
import { imageName, type Project } from "../project.ts";
import { runningMachine } from "../vm/running.ts";

/** Plain data, so that it can be handed to another process. */
export interface Device {
  /** As the user calls it. */
  readonly name: string;
  /** As ssh takes it: `root@10.0.0.7`, `bench`. */
  readonly host: string;
  readonly port?: number;
  /** Name of the conf that it runs; else that of `-c`. */
  readonly image?: string;
  /** Paths on it that a push leaves alone, beside those that every push does. */
  readonly protect: readonly string[];
  /** Further options of ssh: `ProxyJump=gate`. */
  readonly ssh: readonly string[];
  /** A name of conf/devices.ts that may have been meant, if ssh knows no such host. */
  readonly near?: string;
}

/** The devices that words of a command line name. */
export async function devicesOf(project: Project, words: readonly string[], conf: string): Promise<Device[]> {
  const known = await knownDevices(project);
  const devices = words.map((word) => known.get(word) ?? (word === "vm" ? virtual(project, conf) : addressed(word, [...known.keys()])));
  const twice = devices.find((d, i) => devices.findIndex((o) => o.host === d.host && o.port === d.port) !== i);
  if (twice) throw new UserError("device.twice", `\`${twice.name}\` is named twice`, { exit: exitStatus.usage });
  return devices;
}

/** conf/devices.ts, by name; empty when there is none. Throws all that is wrong with it. */
export async function knownDevices(project: Project): Promise<ReadonlyMap<string, Device>> {
  const file = join(project.confDir, devicesFile);
  if (!existsSync(file)) return new Map();
  const { bundle, exports } = await loadFromConf(project, file, devicesModule());
  const given = exports.default;
  const example = 'export default defineDevices({ bench: { host: "root@192.0.2.7" } });';
  if (!plainObject(given)) throw new UserError("device.no-default", "the file exports no devices", { where: { file }, hint: example });
  const check = checker({ file, inputs: bundle.inputs }, confNames(project));
  const devices = new Map(Object.entries(given).map(([name, value]) => [name, checkDevice(name, value, check)]));
  throwAll(check.found);
  return devices;
}

function addressed(word: string, known: readonly string[]): Device {
  const address = addressOf(word);
  const near = nearest(word, known);
  if (address) return { name: word, ...address, protect: [], ssh: [], ...(near !== undefined && { near }) };
  throw new UserError("device.word", `\`${word}\` is no device`, { hint: near ? `did you mean \`${near}\`?` : "a name of conf/devices.ts, `root@192.0.2.7`, `root@bench:2222`, or `vm`", exit: exitStatus.usage });
}

/** `user@host`, `host:port`, `[address]:port` or a Host of the ssh config; nothing that ssh could take for an option. */
function addressOf(text: string): { host: string; port?: number } | undefined {
  const user = "(?<user>[^-@\\s][^@\\s]*@)?";
  const m = new RegExp(`^${user}(?:\\[(?<v6>[\\w:.%]+)\\]|(?<host>[^-@:\\s[][^@:\\s]*))(?::(?<port>\\d{1,5}))?$`).exec(text) ?? new RegExp(`^${user}(?<v6>[\\da-fA-F]*:[\\da-fA-F]*:[\\w:.%]*)$`).exec(text);
  if (!m) return undefined;
  const port = m.groups!.port === undefined ? undefined : Number(m.groups!.port);
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  return { host: `${m.groups!.user ?? ""}${m.groups!.v6 ?? m.groups!.host}`, ...(port !== undefined && { port }) };
}

/** As people write it: `root@192.0.2.7:2222`. */
export function addressText(d: Device): string {
  const port = d.port === undefined ? "" : `:${d.port}`;
  return port !== "" && /:.*:/.test(d.host) ? `${d.host.replace(/[^@]*$/, "[$&]")}${port}` : `${d.host}${port}`;
}

/** Each machine makes its own host key, and this one is gone tomorrow. */
const loopback: readonly string[] = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];

function virtual(project: Project, conf: string): Device {
  const image = imageName(conf);
  const { port, user, file } = runningMachine(project, image);
  if (file !== undefined) throw new UserError("ssh.user", `the machine was started from \`${file}\`, whose users debcast does not know`, { hint: `ssh -p ${port} USER@127.0.0.1` });
  if (user === undefined) throw new UserError("ssh.user", `\`${image}\` has no user who could log in`, { hint: 'users: [{ name: "me", sshKeys: ["ssh-ed25519 …"] }],' });
  return { name: "vm", host: `${user}@127.0.0.1`, port, image, protect: [], ssh: loopback };
}

// ── conf/devices.ts ────────────────────────────────────────────────────────────────────────────────────────────────

const keys = ["host", "port", "image", "protect", "ssh"];

interface Checker {
  readonly found: UserError[];
  readonly confs: readonly string[];
  wrong(path: readonly string[], message: string, hint?: string): void;
}

function checker(conf: ConfSources, confs: readonly string[]): Checker {
  const found: UserError[] = [];
  return { found, confs, wrong: (path, message, hint) => void found.push(new UserError("device.bad", message, { where: confPlace(conf, path), hint })) };
}

/** What is wrong with it is noted, and then it is not to be used. */
function checkDevice(name: string, v: unknown, c: Checker): Device {
  const nothing: Device = { name, host: name, protect: [], ssh: [] };
  if (!/^\w[\w.-]*$/.test(name)) c.wrong([name], `\`${name}\` is no name for a device`, "letters, digits, `-`, `_` and `.`");
  if (!plainObject(v)) return c.wrong([name], `\`${name}\` is ${shown(v)}; expected { host: "root@192.0.2.7" }`), nothing;
  for (const key of Object.keys(v).filter((k) => !keys.includes(k))) {
    const near = nearest(key, keys);
    c.wrong([name, key], `the device \`${name}\` has an unknown key \`${key}\``, near ? `did you mean \`${near}\`?` : `it has ${keys.map((k) => `\`${k}\``).join(", ")}`);
  }
  return {
    ...nothing,
    ...checkHost(name, v, c),
    ...(v.image !== undefined && { image: checkImageOf(name, v.image, c) }),
    protect: checkList([name, "protect"], v.protect, { match: /^\/[^\0]*[^\0/]$/, like: '"/srv"', c }).map(asInImage),
    ssh: checkList([name, "ssh"], v.ssh, { match: /^[A-Za-z]+=\S/, like: '"ProxyJump=gate"', c }),
  };
}

/** As an image names it, whose /bin, /sbin and /lib are links. */
function asInImage(path: string): string {
  return posix.normalize(path).replace(/^\/(bin|sbin|lib(?:32|64|x32|o32)?)(?=\/|$)/, "/usr/$1");
}

function checkHost(name: string, { host, port }: Record<string, unknown>, c: Checker): { host?: string; port?: number } {
  const address = typeof host === "string" ? addressOf(host) : undefined;
  if (host === undefined) c.wrong([name], `the device \`${name}\` has no \`host\``, 'host: "root@192.0.2.7",');
  else if (!address) c.wrong([name, "host"], `\`host\` of \`${name}\` is ${shown(host)}; expected an address as ssh takes it`, 'host: "root@192.0.2.7",');
  if (port === undefined) return address ?? {};
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) c.wrong([name, "port"], `\`port\` of \`${name}\` is ${shown(port)}; expected a number from 1 to 65535`);
  else if (address?.port !== undefined && address.port !== port) c.wrong([name, "port"], `\`${name}\` has two ports: ${address.port} in \`host\`, and ${String(port)}`);
  return { ...address, port: port as number };
}

function checkImageOf(name: string, image: unknown, { confs, wrong }: Checker): string {
  if (typeof image === "string" && confs.includes(image)) return image;
  const near = typeof image === "string" ? nearest(image, confs) : undefined;
  wrong([name, "image"], `\`image\` of \`${name}\` is ${shown(image)}, and there is no such conf`, near ? `did you mean \`${near}\`?` : `there are ${confs.map((n) => `\`${n}\``).join(", ")}`);
  return "";
}

function checkList(path: readonly [string, string], v: unknown, o: { match: RegExp; like: string; c: Checker }): readonly string[] {
  if (v === undefined) return [];
  const of = `\`${path[1]}\` of \`${path[0]}\``;
  if (!Array.isArray(v)) return o.c.wrong(path, `${of} is ${shown(v)}; expected a list`, `${path[1]}: [${o.like}],`), [];
  return v.filter((one): one is string => {
    const isGood = typeof one === "string" && o.match.test(one);
    if (!isGood) o.c.wrong([...path, String(one)], `${of} has ${shown(one)} in it`, `it is something like ${o.like}`);
    return isGood;
  });
}
