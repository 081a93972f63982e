// What follows on the device once everything is there: caches, systemd, boot loader, units.
import { UserError, exitStatus } from "../errors.ts";
import { shellQuote } from "../run.ts";
import type { After } from "./after.ts";
import { readable } from "./inventory.ts";
import type { Remote } from "./remote.ts";

export interface Took {
  readonly restarted: readonly string[];
  readonly stopped: readonly string[];
  /** What systemctl said, when it could not start one of them. */
  readonly says: string;
  /** When they were started, by performance.now(). */
  readonly at: number;
}

export async function takeEffect(remote: Remote, after: After, name: string): Promise<Took> {
  if (after.ldconfig) await remote.must("ldconfig", "ldconfig failed on it");
  if (!remote.hello.systemd) return { restarted: [], stopped: [], says: "", at: 0 };
  if (after.sysusers) await remote.must("systemd-sysusers", "systemd-sysusers failed on it");
  // It says so with its status when a line of somebody's could not be fulfilled; the others were.
  if (after.tmpfiles.length > 0) await remote.ask(`systemd-tmpfiles --create ${shellQuote(after.tmpfiles.map(readable))}`);
  if (after.daemonReload) await remote.must("systemctl daemon-reload", "its systemd could not read the units again");
  if (after.udev) await remote.ask("udevadm control --reload");
  if (after.bootEntries) await bootEntries(remote, name);
  if (after.stop.length > 0) await remote.ask(`systemctl stop ${shellQuote(after.stop)}`);
  return { ...(await restart(remote, after)), stopped: after.stop, at: performance.now() };
}

async function bootEntries(remote: Remote, name: string): Promise<void> {
  const r = await remote.ask("boot-entries");
  if (r.status === 0) return;
  throw new UserError("push.boot-entries", `\`${name}\` has the new kernel or initramfs in /boot, but its boot loader could not be told of it`, { details: r.lines.join("\n"), hint: `debcast ssh ${name} -- sudo boot-entries   # and push again`, exit: exitStatus.device });
}

/** Returns the units that were started again (of those that are only tried, the ones that run), and what systemctl said if it did not like it. */
async function restart(remote: Remote, after: After): Promise<{ restarted: string[]; says: string }> {
  const running = after.tryRestart.length === 0 ? [] : await activeOf(remote, after.tryRestart);
  const all = [...new Set([...after.restart, ...running])];
  // A unit that failed too often at its old settings gets another chance with the new ones.
  if (all.length === 0) return { restarted: [], says: "" };
  const failed = running.length === 0 ? "" : `systemctl reset-failed ${shellQuote(running)} 2> /dev/null; `;
  const r = await remote.ask(`${failed}systemctl restart ${shellQuote(all)}`);
  return { restarted: all, says: r.status === 0 ? "" : r.lines.join("\n") };
}

/** What of these runs, or failed and would like to; patterns become the units that match them. */
async function activeOf(remote: Remote, units: readonly string[]): Promise<string[]> {
  const { lines } = await remote.ask(`systemctl list-units --full --plain --no-legend --state=active,activating,reloading,failed ${shellQuote(units)}`);
  return lines.map((l) => l.trim().split(/\s+/)[0]!).filter((u) => /\.\w+$/.test(u));
}

/** How long a service may take to find out that it cannot run: systemd takes most for started once their program is. */
const graceMs = 500;

/** The units that do not run, with what they said last. */
export async function failedOf(remote: Remote, { restarted, says, at }: Took): Promise<{ unit: string; says: string }[]> {
  if (restarted.length === 0) return [];
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, at + graceMs - performance.now())));
  const { lines } = await remote.ask(`systemctl is-active ${shellQuote(restarted)}`);
  const failed = restarted.filter((_, i) => /^(failed|activating|deactivating)$/.test(lines[i] ?? ""));
  if (failed.length === 0 && says !== "") return [{ unit: restarted.join(", "), says }];
  return Promise.all(failed.map(async (unit) => ({ unit, says: (await remote.ask(`journalctl -b -q --no-pager -o cat -n 8 -u ${shellQuote([unit])}`)).lines.join("\n") })));
}
