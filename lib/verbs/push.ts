import { runVerb } from "../child.ts";
import { UserError, exitStatus } from "../errors.ts";
import { stage } from "../events.ts";
import { formatBytes, formatCount, formatTime } from "../format.ts";
import { imageName } from "../project.ts";
import { attach, dial, hangUp, type Connection, type Line } from "../push/connection.ts";
import { devicesOf, type Device } from "../push/devices.ts";
import { readImage, type PushImage } from "../push/image.ts";
import { pushTo, type PushResult } from "../push/push.ts";
import { reboot } from "../push/reboot.ts";
import { openRemote, type Remote } from "../push/remote.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "push",
  usage: "push DEVICE…",
  summary: "bring the image up to date, and a running device up to the image",
  args: [1, 1000],
  options: {
    "dry-run": { type: "boolean", help: "show what would change, and change nothing on the device" },
    full: { type: "boolean", help: "compare all of the device with the image, byte for byte" },
    reboot: { type: "boolean", help: "restart the device if that is what it takes, and wait for it" },
  },
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit, { for: "push" });
    const devices = await devicesOf(c.project, c.args, c.conf);
    const outcomes: Outcome[] = [];
    // They answer while the image is being built.
    const lines = devices.map((device) => ({ device, line: dial(device) }));
    try {
      const built = new Map<string, Promise<PushImage>>();
      for (const { device, line } of lines) {
        const conf = device.image ?? c.conf;
        const image = built.get(conf) ?? builtImage(c, conf);
        built.set(conf, image);
        outcomes.push(told(await one(c, { device, line, image })));
      }
    } finally {
      await Promise.all(lines.map(({ line }) => hangUp(line)));
    }
    return { text: outcomes.map((o) => o.text).join("\n"), data: outcomes.length === 1 ? outcomes[0]!.data : outcomes.map((o) => o.data), code: Math.max(...outcomes.map((o) => o.code ?? 0)) };
  },
};

async function builtImage(c: Context, conf: string): Promise<PushImage> {
  const words = [...(c.json || c.options.quiet === true ? ["--quiet"] : []), ...(c.verbose ? ["--verbose"] : []), ...(c.locked ? ["--locked"] : []), ...(c.cache ? [] : ["--no-cache"])];
  await runVerb("image", { project: c.project, conf, mirrors: c.mirrors, words, error: ["push.build", "nothing was pushed"] });
  return readImage(c.project, imageName(conf));
}

interface Pushed extends PushResult {
  readonly dryRun: boolean;
  readonly rebooted: boolean;
}

async function one(c: Context, o: { device: Device; line: Line; image: Promise<PushImage> }): Promise<Pushed> {
  const start = performance.now();
  let connected: { connection: Connection; remote: Remote; at: number } | undefined;
  const connecting = (async () => {
    const connection = await attach(o.line);
    connected = { connection, remote: await openRemote(connection), at: performance.now() };
  })();
  connecting.catch(() => {});
  const image = await o.image;
  const built = performance.now();
  if (!connected) await stage(c.emit, "connect", () => connecting);
  const { connection, remote, at } = connected!;
  const dryRun = c.options["dry-run"] === true;
  if (c.options.reboot === true && /^(overlay|tmpfs)$/.test(remote.hello.root.type)) throw new UserError("push.reboot-ram", `/ of \`${o.device.name}\` is in RAM: what is pushed into it would be gone after a restart`, { hint: "debcast push   # without --reboot, to try it; and a disk made of the image, to keep it", exit: exitStatus.usage });
  try {
    const r = await pushTo(connection, remote, image, { emit: c.emit, full: c.options.full === true, dryRun });
    const result = { ...r, dryRun, rebooted: false, ms: { build: Math.round(built - start), connect: Math.round(at - start), ...r.ms } };
    if (c.options.reboot !== true || dryRun || r.reboot.length === 0) return result;
    const before = performance.now();
    await stage(c.emit, "reboot", () => reboot(o.device, remote, image), (hello) => `runs ${hello.kernel}`);
    return { ...result, rebooted: true, ms: { ...result.ms, reboot: Math.round(performance.now() - before) } };
  } finally {
    await remote.close();
  }
}

// ── What people read ───────────────────────────────────────────────────────────────────────────────────────────────

function told(r: Pushed): Outcome {
  return { text: r.dryRun ? wouldDo(r) : did(r), data: r, ...(r.failed.length > 0 && { code: exitStatus.device }) };
}

function did(r: Pushed): string {
  const seconds = Object.entries(r.ms).map(([what, ms]) => `${what} ${formatTime(ms)}`).join(", ");
  if (!r.changed) return `${r.device}: nothing changed (${seconds})`;
  const units = [r.restarted.length > 0 ? `restarted ${r.restarted.join(", ")}` : "", r.stopped.length > 0 ? `stopped ${r.stopped.join(", ")}` : ""].filter((t) => t !== "");
  const lines = [`${r.device}: ${paths(r)}, ${formatBytes(r.bytes)} of ${formatBytes(r.of)} sent${units.map((u) => `; ${u}`).join("")} (${seconds})`, ...leftOver(r)];
  for (const f of r.failed) lines.push(`\`${f.unit}\` does not run:`, f.says.replace(/^/gm, "  "));
  return lines.join("\n");
}

function paths(r: PushResult): string {
  return [r.sent.length > 0 ? formatCount(r.sent.length, "path") : "", r.removed.length > 0 ? `${r.removed.length} removed` : ""].filter((t) => t !== "").join(", ");
}

function leftOver(r: Pushed): string[] {
  const lines: string[] = [];
  if (r.reboot.length > 0 && !r.rebooted) lines.push(r.volatile ? `${r.reboot.join(", ")} changed, which takes effect when a device starts; but / of this one is in RAM, and starts as its disk is` : `${r.reboot.join(", ")} changed: that takes effect after a restart of the device (--reboot)`);
  if (r.volatile && r.changed) lines.push("/ is in RAM: this lasts until the device is restarted");
  if (r.left.length > 0) lines.push(`${formatCount(r.left.length, "path")} differ and ${r.left.length === 1 ? "is" : "are"} left as the device has them: ${r.left.slice(0, 4).map((p) => JSON.stringify(p).slice(1, -1)).join(" ")}${r.left.length > 4 ? " …" : ""}`);
  return lines;
}

function wouldDo(r: Pushed): string {
  if (!r.changed) return `${r.device}: nothing would change`;
  const shown = (p: string) => JSON.stringify(p).slice(1, -1);
  const packages = r.packages.map((p) => (p.from === undefined ? `+ package ${p.name} ${p.to}` : p.to === undefined ? `- package ${p.name}` : `* package ${p.name} ${p.from} → ${p.to}`));
  const units = [...r.restarted.map((u) => `restart ${u}`), ...r.stopped.map((u) => `stop ${u}`)];
  return [`${r.device}: ${paths(r)} would change`, ...packages, ...r.sent.map((p) => `  ${shown(p)}`), ...r.removed.map((p) => `- ${shown(p)}`), ...units, ...leftOver(r)].join("\n");
}
