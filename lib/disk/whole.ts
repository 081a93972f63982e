// The disk of an image: where everything lies and what it starts from. `disk` makes it in a file, a restore stick on a device.
import { UserError } from "../errors.ts";
import type { Lock } from "../lock.ts";
import type { Conf, Plan } from "../plan/plan.ts";
import { bootFiles, type BootFile } from "./boot.ts";
import { layOut, type Layout } from "./layout.ts";
import { needsOf } from "./needs.ts";

export interface WholeDisk {
  readonly boot: readonly BootFile[];
  readonly layout: Layout;
  /** What its ids are drawn from: the same lock and conf have the same. */
  readonly seed: string;
}

export interface Known {
  readonly conf: Conf;
  readonly plan: Plan;
  readonly lock: Lock;
  readonly epoch: number;
}

/** Throws where the image could not start from a disk. */
export function needsScriptlet({ conf, plan }: Pick<Known, "conf" | "plan">): void {
  if (plan.scriptlets.some((s) => s.name === "disk")) return;
  throw new UserError("disk.scriptlet", `\`${conf.name}\` lacks the scriptlet \`disk\`, which makes it start from one`, { hint: 'scriptlets: ["disk", …],' });
}

/** `slot`: the name of the partition that / is on. */
export function diskOfImage(p: Known, image: string, slot = "root-a"): WholeDisk {
  needsScriptlet(p);
  const boot = bootFiles(image, p.conf, slot);
  const seed = [p.conf.name, p.epoch, ...p.lock.debs.filter((d) => d.roles.includes("image")).map((d) => d.sha256)].join(" ");
  return { boot, seed, layout: layOut(p.conf.disk ?? { root: {} }, needsOf(image, boot), seed) };
}
