// The assertions of `debcast boot-test`, on a machine that has just been started: what every image has to fulfil, then what its
// scriptlets bring along.
import type { UsbSerial } from "../api.ts";
import { hasParts } from "../disk/layout.ts";
import { UserError, type Where } from "../errors.ts";
import { confPlace } from "../plan/confplace.ts";
import type { Conf, Plan, PlannedBootTest, PlannedScriptlet } from "../plan/plan.ts";
import { shellQuote } from "../run.ts";
import { watchStrays } from "../run/strays.ts";
import { expectation } from "./expect.ts";
import { sleep, type Machine } from "./machine.ts";
import { listening, mayBeClient } from "./ports.ts";
import { plugSerial } from "./usbserial.ts";

export interface Result {
  readonly name: string;
  readonly ms: number;
  /** What was found, when that is worth a word. */
  readonly found?: string;
  readonly error?: { readonly message: string; readonly details?: string | undefined; readonly hint?: string | undefined; readonly where?: Where | undefined };
}

export interface TestOptions {
  readonly machine: Machine;
  readonly plan: Plan;
  /** Seconds until the machine has to have started, and for each command after that. */
  readonly patience: number;
  /** Seconds from the kernel's start to multi-user.target; none: as long as it takes. */
  readonly within?: number;
  readonly done: (r: Result) => void;
}

interface Assertion {
  readonly name: string;
  readonly where?: Where;
  /** Throws, or says what it found. */
  readonly look: () => Promise<string | void>;
}

/** Runs all of them, one after the other; the first one that gets no answer any more is the last result. */
export async function bootTest(o: TestOptions): Promise<Result[]> {
  const results: Result[] = [];
  for (const a of [...ownAssertions(o), ...planned(o)]) {
    const start = performance.now();
    const { lost, ...outcome } = await a.look().then((found) => ({ lost: false, ...(found && { found }) }), (e: unknown) => failure(o, a, e));
    const result = { name: a.name, ms: performance.now() - start, ...outcome };
    results.push(result);
    o.done(result);
    if (lost) break;
  }
  return results;
}

/** Of a machine that says nothing any more. */
const silent = ["boot-test.down", "vm.gone", "vm.silent"];

function failure({ machine }: TestOptions, a: Assertion, e: unknown): { lost: boolean; error: NonNullable<Result["error"]> } {
  if (!(e instanceof UserError)) throw e;
  const lost = silent.includes(e.code);
  const details = e.details ?? (lost || e.code === "vm.restarted" ? lastWords(machine) : undefined);
  // A machine that boot-test has started ends when it would start anew.
  const message = e.code === "vm.gone" ? "the machine ended or started anew" : e.message;
  return { lost, error: { message, details, hint: e.hint, where: e.where ?? a.where } };
}

function lastWords(machine: Machine): string {
  return machine.console().replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").trimEnd().split(/\r?\n/).slice(-25).join("\n");
}

// ── Of every image ─────────────────────────────────────────────────────────────────────────────────────────────────

function ownAssertions(o: TestOptions): Assertion[] {
  const { patience, plan: { conf } } = o;
  const ask: Ask = (script, seconds) => asking(o, script, seconds);
  const end = performance.now() + patience * 1000;
  const parts = mountsOf(conf);
  return [
    { name: "comes up", look: () => up(o) },
    { name: "is running", look: () => running(ask, Math.max(10, Math.ceil((end - performance.now()) / 1000))) },
    { name: "no failed unit", look: () => noneFailed(ask) },
    ...(parts.length > 0 ? [{ name: "partitions are mounted", look: () => mounted(ask, parts) }] : []),
    { name: "listens where it should", look: () => listens(ask, conf) },
    { name: `root is ${conf.disk?.root.mode ?? "rw"}`, look: () => rootMode(ask, conf) },
    { name: o.within === undefined ? "time to multi-user" : `multi-user within ${o.within} s`, look: () => inTime(ask, o.within) },
  ];
}

type Ask = (script: string, seconds?: number) => Promise<string>;

async function asking({ machine, patience }: TestOptions, script: string, seconds = patience): Promise<string> {
  const r = await machine.agent.ask(script, seconds);
  if (r.status === 0) return r.stdout.replace(/\n$/, "");
  throw new UserError("boot-test.command", `\`${script.trim().split("\n")[0]}\` ended with status ${r.status} in the machine`, { details: `${r.stdout}${r.stderr}`.trim() });
}

async function up({ machine, patience }: TestOptions): Promise<void> {
  const late = new Promise<"late">((resolve) => void setTimeout(resolve, patience * 1000, "late").unref());
  const what = await Promise.race([machine.agent.up.then(() => "up" as const, () => "ended" as const), late, machine.ended.then(() => "ended" as const)]);
  if (what === "up") return;
  throw new UserError("boot-test.down", what === "ended" ? "the machine ended or started anew before it was up" : `nothing answers after ${patience} s`);
}

/** The machine itself sees to `seconds`, so that it still answers when jobs do not come to their end. */
async function running(ask: Ask, seconds: number): Promise<void> {
  const state = await ask(`timeout ${seconds} systemctl is-system-running --wait > /dev/null || true; systemctl is-system-running || true`, seconds + 60);
  if (state === "running") return;
  throw new UserError("boot-test.state", `the system is \`${state}\``, { details: await ask("systemctl list-jobs --no-legend --plain; systemctl --failed --no-legend --plain") });
}

async function noneFailed(ask: Ask): Promise<void> {
  const failed = (await ask("systemctl --failed --no-legend --plain")).split("\n").map((l) => l.trim().split(/\s+/)[0]!).filter((u) => u !== "");
  if (failed.length === 0) return;
  const [unit] = failed;
  const details = await ask(`systemctl status --no-pager --lines=15 ${shellQuote([unit!])} || true`);
  throw new UserError("boot-test.failed", `failed: ${failed.join(", ")}`, { details });
}

interface Mount {
  /** PARTLABEL. */
  readonly label: string;
  readonly at: string;
}

function mountsOf({ disk }: Conf): Mount[] {
  if (!disk) return [];
  const lasting = hasParts(disk) ? [{ label: "persist", at: "/persist" }, { label: "log", at: "/var/log" }] : [];
  return [...lasting, ...(disk.data ? [{ label: "data", at: disk.data.mount }] : [])];
}

/** A device starts without them as well (`nofail`), and nothing else says so. */
async function mounted(ask: Ask, parts: readonly Mount[]): Promise<string> {
  const devices = (await ask(`for label in ${parts.map((p) => p.label).join(" ")}; do part=/dev/disk/by-partlabel/$label; if [ -e $part ]; then readlink -f $part; else echo; fi; done`)).split("\n");
  // What was mounted last is on top.
  const mounts = new Map((await ask('while read -r from at rest; do case $from in /dev/*) from=$(readlink -f "$from" || true) ;; esac; echo "$at $from"; done < /proc/mounts')).split("\n").map((line) => line.split(" ") as [string, string]));
  const wrong = parts.flatMap(({ label, at }, i) => {
    const [device, from] = [devices[i], mounts.get(at)];
    if (from !== undefined && from === device) return [];
    return [{ at, message: !device ? `${at} is not mounted: there is no partition \`${label}\`` : from === undefined ? `${at} is not mounted` : `${at} is on ${from}, and the partition \`${label}\` is ${device}` }];
  });
  if (wrong.length > 0) {
    const details = await ask(wrong.map(({ at }) => `systemctl status --no-pager --lines=10 "$(systemd-escape --path --suffix=mount ${shellQuote([at])})" || true`).join("\n"));
    throw new UserError("boot-test.mounts", wrong.map((w) => w.message).join("; "), { details });
  }
  if (parts.some((p) => p.label === "persist")) await sameMachine(ask);
  return parts.map(({ at }, i) => `${at} on ${devices[i]}`).join(", ");
}

/** What /persist has for /etc was laid over it: each start would be that of a new machine, with new host keys. */
async function sameMachine(ask: Ask): Promise<void> {
  const [kept, own] = (await ask("for dir in /persist/etc /etc; do cat $dir/machine-id 2> /dev/null || echo; done")).split("\n");
  if (kept === "" || kept !== own) throw new UserError("boot-test.persist", "/etc/machine-id is not the one of /persist/etc", { details: `/persist/etc/machine-id: ${kept}\n/etc/machine-id: ${own ?? ""}` });
}

async function listens(ask: Ask, conf: Conf): Promise<string> {
  const names = ["tcp", "tcp6", "udp", "udp6"];
  const text = await ask(`for t in ${names.join(" ")}; do echo "= $t"; cat /proc/net/$t 2>/dev/null || true; done`);
  const [first, last] = (await ask("cat /proc/sys/net/ipv4/ip_local_port_range")).trim().split(/\s+/).map(Number);
  const tables = Object.fromEntries(text.split(/^= /m).slice(1).map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1)]));
  const now = listening(tables).filter((p) => conf.listens.includes(p) || !mayBeClient(p, [first!, last!]));
  const more = now.filter((p) => !conf.listens.includes(p));
  const fewer = conf.listens.filter((p) => !now.includes(p));
  if (more.length + fewer.length === 0) return now.join(" ");
  const message = [...more.map((p) => `${p} listens, and the conf does not say so`), ...fewer.map((p) => `${p} does not listen, and the conf says so`)].join("; ");
  throw new UserError("boot-test.ports", message, { where: confPlace(conf, ["listens"]), hint: `listens: [${now.map((p) => `"${p}"`).join(", ")}],   // if that is as it should be` });
}

async function rootMode(ask: Ask, conf: Conf): Promise<void> {
  const wanted = conf.disk?.root.mode ?? "rw";
  const [source, , type, options] = (await ask("grep ' / ' /proc/mounts | tail -n 1")).split(" ");
  const is = type === "ext4" ? "rw" : type;
  if (is !== wanted) throw new UserError("boot-test.root", `/ is ${type} on ${source}, and the conf wants \`${wanted}\``);
  if (!options?.split(",").includes("rw")) throw new UserError("boot-test.root", "/ cannot be written to", { details: options });
  if (wanted === "rw") return;
  // Nothing below may be written to either, by whatever name.
  const disks = (await ask("grep '^/dev/' /proc/mounts || true")).split("\n").filter((l) => l !== "").map((l) => l.split(" "));
  const writable = disks.filter(([device, where, , flags]) => where !== "/var/log" && where !== conf.disk?.data?.mount && flags!.split(",").includes("rw") && device !== "");
  if (writable.length > 0) throw new UserError("boot-test.root", `${writable.map((m) => m[1]).join(", ")} can be written to`);
  if (wanted === "tmpfs" && disks.some(([, where]) => where === "/run/root-image")) throw new UserError("boot-test.root", "the partition that / was copied from is still mounted");
}

async function inTime(ask: Ask, within: number | undefined): Promise<string> {
  const show = await ask("systemctl show multi-user.target -p ActiveEnterTimestampMonotonic --value");
  const seconds = Number(show) / 1e6;
  if (!(seconds > 0)) throw new UserError("boot-test.time", "multi-user was not reached", { details: await ask("systemctl list-jobs --no-legend --plain; systemctl status --no-pager multi-user.target || true") });
  if (within !== undefined && seconds > within) throw new UserError("boot-test.time", `it took ${seconds.toFixed(1)} s`);
  return `${seconds.toFixed(1)} s from the kernel's start`;
}

// ── Of scriptlets ──────────────────────────────────────────────────────────────────────────────────────────────────

function planned(o: TestOptions): Assertion[] {
  return o.plan.scriptlets.flatMap((s) => s.bootTests.map(({ name, fn, where }) => ({ name: `${s.name}: ${name}`, where, look: () => plannedTest(o, s, fn) })));
}

/** Awaited or not, all that the test has begun is over before it counts as passed. */
async function plannedTest(o: TestOptions, s: PlannedScriptlet, fn: PlannedBootTest["fn"]): Promise<void> {
  const plugged: UsbSerial[] = [];
  const begun: Promise<unknown>[] = [];
  // A promise of its own: of the one that is waited for here nobody would be told that it failed.
  const begin = <T>(work: Promise<T>): Promise<T> => {
    begun.push(work.catch(() => {}));
    return work.then((value) => value);
  };
  const strays = watchStrays();
  try {
    await fn({
      inVm: (script, ...words) => {
        const here = new Error();
        return begin(asking(o, quoted(script, words)).catch((e: unknown) => Promise.reject(e instanceof UserError ? at(e, s.whereOf(here)) : e)));
      },
      expect: (value) => expectation(value),
      usbSerial: () => begin(plugSerial(o.machine).then((serial) => {
        plugged.push(serial);
        return serial;
      })),
      until: (look, seconds) => begin(until(look, seconds)),
    });
    await over(begun);
    await strays.told();
    if (strays.found.length > 0) throw strays.found[0];
  } catch (e) {
    await over(begun);
    await strays.told();
    throw e instanceof UserError ? at(e, e.where ?? s.whereOf(e)) : new UserError("boot-test.threw", String((e as Error | undefined)?.message ?? e), { where: s.whereOf(e) });
  } finally {
    strays.end();
    for (const serial of plugged) await serial.unplug().catch(() => {});
  }
}

/** What was begun may begin more. */
async function over(begun: readonly Promise<unknown>[]): Promise<void> {
  for (let i = 0; i < begun.length; i++) {
    await begun[i];
    await sleep(0);
  }
}

function at(e: UserError, where: Where): UserError {
  return new UserError(e.code, e.message, { details: e.details, hint: e.hint, where });
}

async function until(look: () => void | PromiseLike<void>, seconds = 30): Promise<void> {
  for (const end = performance.now() + seconds * 1000; ; await sleep(500)) {
    try {
      return await look();
    } catch (e) {
      if (performance.now() > end) throw e;
    }
  }
}

function quoted(script: TemplateStringsArray, words: readonly (string | number | readonly (string | number)[])[]): string {
  const argv = (w: (typeof words)[number]) => shellQuote((Array.isArray(w) ? w : [w]).map(String));
  return script.reduce((all, part, i) => `${all}${argv(words[i - 1]!)}${part}`);
}
