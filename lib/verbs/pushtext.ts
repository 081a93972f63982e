// What people read of a push to one device.
import { formatBytes, formatCount, formatTime } from "../format.ts";
import type { PushResult } from "../push/push.ts";
import type { Pushed } from "./pushone.ts";

/** All there is to say of it. */
export function pushText(r: Pushed): string {
  return r.dryRun ? wouldDo(r) : [`${r.device}: ${pushLine(r)}`, ...remarks(r)].join("\n");
}

/** What was done, in one line without the name. */
export function pushLine(r: Pushed): string {
  const seconds = Object.entries(r.ms).map(([what, ms]) => `${what} ${formatTime(ms)}`).join(", ");
  if (!r.changed) return `nothing changed (${seconds})`;
  const units = [r.restarted.length > 0 ? `restarted ${r.restarted.join(", ")}` : "", r.stopped.length > 0 ? `stopped ${r.stopped.join(", ")}` : ""].filter((t) => t !== "");
  return `${paths(r)}, ${formatBytes(r.bytes)} of ${formatBytes(r.of)} sent${units.map((u) => `; ${u}`).join("")} (${seconds})`;
}

/** What one should know beside that. */
export function remarks(r: Pushed): string[] {
  return [...leftOver(r), ...r.failed.flatMap((f) => [`\`${f.unit}\` does not run:`, f.says.replace(/^/gm, "  ")])];
}

function paths(r: PushResult): string {
  return [r.sent.length > 0 ? formatCount(r.sent.length, "path") : "", r.removed.length > 0 ? `${r.removed.length} removed` : ""].filter((t) => t !== "").join(", ");
}

function leftOver(r: Pushed): string[] {
  const lines: string[] = [];
  if (r.staged) {
    if (r.changed && !r.rebooted) lines.push("it waits on /persist: the device starts with it the next time (--reboot)");
    return lines;
  }
  if (r.reboot.length > 0 && !r.rebooted) lines.push(r.volatile ? `${r.reboot.join(", ")} changed, which takes effect when a device starts; but / of this one is in RAM, and starts as its disk is` : `${r.reboot.join(", ")} changed: that takes effect after a restart of the device (--reboot)`);
  if (r.volatile && r.changed) lines.push("/ is in RAM: this lasts until the device is restarted (--persist puts it on its disk)");
  if (r.left.length > 0) lines.push(`${formatCount(r.left.length, "path")} that the image has otherwise ${r.left.length === 1 ? "is" : "are"} the device's own: ${r.left.slice(0, 4).map((p) => JSON.stringify(p).slice(1, -1)).join(" ")}${r.left.length > 4 ? " …" : ""}`);
  return lines;
}

function wouldDo(r: Pushed): string {
  if (!r.changed) return `${r.device}: nothing would change`;
  const shown = (p: string) => JSON.stringify(p).slice(1, -1);
  const packages = r.packages.map((p) => (p.from === undefined ? `+ package ${p.name} ${p.to}` : p.to === undefined ? `- package ${p.name}` : `* package ${p.name} ${p.from} → ${p.to}`));
  const units = [...r.restarted.map((u) => `restart ${u}`), ...r.stopped.map((u) => `stop ${u}`)];
  return [`${r.device}: ${paths(r)} would change`, ...packages, ...r.sent.map((p) => `  ${shown(p)}`), ...r.removed.map((p) => `- ${shown(p)}`), ...units, ...leftOver(r)].join("\n");
}
