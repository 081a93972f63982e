import { join, relative } from "node:path";
import { UserError } from "../errors.ts";
import { formatTime, formatWhere } from "../format.ts";
import { load } from "../prepare.ts";
import { imageName } from "../project.ts";
import { ensureHostPrograms } from "../setup.ts";
import { bootTest, type Result } from "../vm/boottest.ts";
import { diskOf } from "../vm/disk.ts";
import { startMachine } from "../vm/machine.ts";
import { accelerator } from "../vm/qemu.ts";
import { guestPortOf } from "../vm/running.ts";
import type { Context, Outcome, Verb } from "./verb.ts";
import { memoryOf } from "./vm.ts";

export const verb: Verb = {
  name: "boot-test",
  usage: "boot-test [FILE]",
  summary: "start the image in QEMU and look whether it is as it should be",
  args: [0, 1],
  options: {
    memory: { type: "string", value: "MB", help: "default: 1024" },
    timeout: { type: "string", value: "SECONDS", help: "how long to wait until it has started, and for each command in it (default: 120, and 600 without KVM)" },
    within: { type: "string", value: "SECONDS", help: "fail when the way to multi-user takes longer" },
  },
  run: async (c: Context): Promise<Outcome> => {
    const [timeout, within] = [seconds(c, "timeout"), seconds(c, "within")];
    const memory = memoryOf(c.options.memory as string | undefined);
    const { plan, conf } = await load(c);
    await ensureHostPrograms(c.emit, { for: "vm" });
    const disk = await diskOf({ project: c.project, conf: c.conf, file: c.args[0], mirrors: c.mirrors, quiet: c.json });
    const accel = await accelerator(c.emit);
    const log = join(c.project.outDir, `${imageName(c.conf)}.boot.log`);
    // One that panics and starts anew would be well when it is looked at: it ends instead.
    const machine = await startMachine({ log, disk, keep: false, memory, cpus: 2, disks: [], usb: [], display: false, accel, guestPort: guestPortOf(conf), more: ["-no-reboot"] });
    try {
      const patience = timeout ?? (accel === "kvm" ? 120 : 600);
      const done = (r: Result) => c.emit({ type: "note", text: line(r) });
      return outcome(await bootTest({ machine, plan, patience, ...(within !== undefined && { within }), done }), conf.name, log);
    } finally {
      await machine.kill();
    }
  },
};

function seconds(c: Context, option: string): number | undefined {
  const given = c.options[option] as string | undefined;
  if (given === undefined || /^\d{1,5}$/.test(given)) return given === undefined ? undefined : Number(given);
  throw new UserError("boot-test.seconds", `\`--${option} ${given}\` is no number of seconds`);
}

function line(r: Result): string {
  const { error } = r;
  if (!error) return `  ✓ ${r.name}${r.found ? `: ${r.found}` : ""} (${formatTime(r.ms)})`;
  const details = error.details ? `\n${error.details.split("\n").map((l) => `      ${l}`).join("\n")}` : "";
  const hint = error.hint ? `\n      hint: ${error.hint.replaceAll("\n", "\n            ")}` : "";
  return `  ✗ ${r.name}: ${error.message}${error.where ? `\n      at ${formatWhere(error.where)}` : ""}${details}${hint}`;
}

function outcome(results: readonly Result[], name: string, log: string): Outcome {
  const failed = results.filter((r) => r.error).length;
  return {
    text: `${name}: ${results.length - failed} passed, ${failed} failed; console: ${relative(process.cwd(), log)}`,
    data: { passed: results.length - failed, failed, console: log, results: results.map(({ error, ...r }) => ({ ...r, ...(error && { error: error.message, details: error.details, hint: error.hint }) })) },
    ...(failed > 0 && { code: 1 }),
  };
}
