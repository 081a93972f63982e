import { runVerb } from "../child.ts";
import { UserError, exitStatus } from "../errors.ts";
import type { Emit, Event } from "../events.ts";
import { formatCount } from "../format.ts";
import { imageName } from "../project.ts";
import { dial, hangUp, type Line } from "../push/connection.ts";
import { devicesOf, type Device } from "../push/devices.ts";
import { readImage, type PushImage } from "../push/image.ts";
import { eachDevice, type Result } from "../push/many.ts";
import { ensureHostPrograms } from "../setup.ts";
import { errorText, jobsOf, jobsOption, outcomeOf } from "./devices.ts";
import { pushOne, type Pushed } from "./pushone.ts";
import { pushLine, pushText, remarks } from "./pushtext.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "push",
  usage: "push DEVICE…",
  summary: "bring the image up to date, and running devices up to the image",
  args: [1, 10_000],
  options: {
    "dry-run": { type: "boolean", help: "show what would change, and change nothing on the device" },
    full: { type: "boolean", help: "compare all of the device with the image, byte for byte" },
    reboot: { type: "boolean", help: "restart the device if that is what it takes, and wait for it" },
    persist: { type: "boolean", help: "of a device whose root is in RAM: put it on its disk, when it is restarted" },
    replace: { type: "boolean", help: "the device may run another image definition now" },
    watch: { type: "boolean", help: "go on: build and push at every save below base/ or conf/" },
    jobs: jobsOption,
  },
  run: async (c: Context): Promise<Outcome> => {
    const jobs = jobsOf(c.options.jobs as string | undefined);
    await ensureHostPrograms(c.emit, { for: "push" });
    const devices = await devicesOf(c.project, c.args, c.conf);
    if (c.options.watch === true) return (await import("./pushwatch.ts")).watch(c, { devices, jobs });
    return devices.length === 1 ? single(c, devices[0]!) : several(c, devices, jobs);
  },
};

async function single(c: Context, device: Device): Promise<Outcome> {
  // It answers while the image is being built.
  const line = dial(device);
  try {
    const r = await pushOne(c, { device, line, image: builtImage(c, device.image ?? c.conf) });
    return { text: pushText(r), data: r, ...(r.failed.length > 0 && { code: exitStatus.device }) };
  } finally {
    await hangUp(line);
  }
}

async function several(c: Context, devices: readonly Device[], jobs: number): Promise<Outcome> {
  const results = await pushAll(c, devices, { jobs, lineOf: dial, done: hangUp });
  const bad = results.filter((r) => "error" in r || r.value.failed.length > 0);
  const all = formatCount(devices.length, "device");
  const dryRun = c.options["dry-run"] === true;
  const summary = bad.length === 0 ? `${all} ${dryRun ? "looked at" : "done"}` : `${devices.length - bad.length} of ${all} ${dryRun ? "looked at" : "done"}; not ${bad.map((r) => r.device.name).join(", ")}`;
  const outcome = outcomeOf(c, results, { text: (r) => pushText(r), data: (r) => r, bad: (r) => r.failed.length > 0, summary });
  // How each has ended is on its line already.
  const rest = results.flatMap((r) => ("error" in r ? [errorText(c, r.error)] : dryRun ? [pushText(r.value)] : []));
  if (!dryRun) rest.unshift(...sameRemarks(results));
  return { ...outcome, text: [...rest, summary].join("\n\n") };
}

/** What one should know, with all devices of which it is to be said. */
export function sameRemarks(results: readonly Result<Pushed>[]): string[] {
  const by = new Map<string, string[]>();
  for (const r of results) if (!("error" in r)) for (const remark of remarks(r.value)) by.set(remark, [...(by.get(remark) ?? []), r.device.name]);
  return [...by].map(([remark, names]) => `${names.join(", ")}: ${remark}`);
}

export interface AllOptions {
  readonly jobs: number;
  /** The connection of a device, and what becomes of it when the device is done. */
  readonly lineOf: (device: Device) => Line;
  readonly done: (line: Line) => Promise<void>;
  /** What the lines of those that are done begin with. */
  readonly title?: string;
}

/** All of them at once; each has a line of progress. An image that cannot be built is thrown, once nothing else goes on. */
export async function pushAll(c: Context, devices: readonly Device[], o: AllOptions): Promise<Result<Pushed>[]> {
  const images = imagesOf(c, devices);
  const imageOf = (device: Device) => images.get(device.image ?? c.conf)!;
  const results = await eachDevice(devices.map((device) => ({ device })), o.jobs, async ({ device }) => {
    const line = o.lineOf(device);
    const tell = (state: "working" | "done" | "failed", text: string) => c.emit({ type: "device", name: device.name, state, text });
    if (isQuiet(c)) tell("working", "build …");
    try {
      const r = await pushOne({ ...c, emit: asDevice(tell, c.emit) }, { device, line, image: imageOf(device) });
      tell(r.failed.length > 0 ? "failed" : "done", `${o.title ?? ""}${pushLine(r)}`);
      return r;
    } catch (e) {
      const noImage = await imageOf(device).then(() => false, () => true);
      if (e instanceof UserError && !noImage) tell("failed", `${o.title ?? ""}${e.message}`);
      throw e;
    } finally {
      await o.done(line);
    }
  });
  await Promise.all(images.values());
  return results;
}

/** Each conf is built once, one after the other. */
function imagesOf(c: Context, devices: readonly Device[]): ReadonlyMap<string, Promise<PushImage>> {
  const images = new Map<string, Promise<PushImage>>();
  let last: Promise<unknown> = Promise.resolve();
  for (const conf of new Set(devices.map((d) => d.image ?? c.conf))) {
    const image = last.then(() => builtImage(c, conf));
    image.catch(() => {});
    last = image;
    images.set(conf, image);
  }
  return images;
}

/** Whether nothing is heard of builds but what is wrong. */
function isQuiet(c: Context): boolean {
  return c.json || c.options.quiet === true || c.options.watch === true;
}

async function builtImage(c: Context, conf: string): Promise<PushImage> {
  const words = [...(isQuiet(c) ? ["--quiet"] : []), ...(c.verbose ? ["--verbose"] : []), ...(c.locked ? ["--locked"] : []), ...(c.cache ? [] : ["--no-cache"])];
  await runVerb("image", { project: c.project, conf, mirrors: c.mirrors, words, error: ["push.build", "nothing was pushed"] });
  return readImage(c.project, imageName(conf));
}

/** The stages of one of several devices are told on its line. */
function asDevice(tell: (state: "working", text: string) => void, emit: Emit): Emit {
  return (e: Event) => {
    if (e.type === "stage-start") tell("working", `${e.stage} …`);
    else if (e.type === "note" || e.type === "warning") emit(e);
  };
}
