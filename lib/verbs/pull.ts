import { UserError, exitStatus } from "../errors.ts";
import { isEmpty } from "../inspect/compare.ts";
import { comparisonText } from "../inspect/difftext.ts";
import { readMade } from "../made.ts";
import { imageFiles } from "../output/image.ts";
import { load } from "../prepare.ts";
import { imageName } from "../project.ts";
import { connect } from "../push/connection.ts";
import { devicesOf, type Device } from "../push/devices.ts";
import { asBytes } from "../push/inventory.ts";
import { kept, type Kept } from "../push/kept.ts";
import { pull } from "../push/pull.ts";
import { openRemote, type Hello } from "../push/remote.ts";
import { textDiffs } from "../push/textdiffs.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "pull",
  usage: "pull DEVICE [--diff]",
  summary: "what differs on a device from the image that it says it runs; status 1 when something does",
  args: [1, 1],
  options: { diff: { type: "boolean", help: "show how texts differ" } },
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit, { for: "ssh" });
    // What secrets there are is known to the plan: diffs show none of them.
    if (c.options.diff === true) await load(c);
    const [device] = await devicesOf(c.project, c.args, c.conf);
    const connection = await connect(device!);
    try {
      const remote = await openRemote(connection);
      await remote.close();
      const image = imageOf(c, device!, remote.hello);
      const name = imageName(remote.hello.mark.conf ?? c.conf);
      const found = await pull(connection, image, { own: [...device!.protect.map(asBytes), ...remote.hello.mounts], made: readMade(c.project, name) });
      const diffs = c.options.diff === true ? await textDiffs(connection, found.files ?? [], { image: imageFiles(c.project, name).image, items: image.items }) : [];
      const same = isEmpty(found);
      return { text: [comparisonText(found), ...diffs].join("\n\n"), data: { same, image: image.id, ...found, ...(c.options.diff === true && { diffs }) }, ...(!same && { code: exitStatus.mistake, next: [`debcast push ${c.args[0]!} --full   # makes it the image again`] }) };
    } finally {
      await connection.close();
    }
  },
};

/** What it says it runs, as far as that is known here. */
function imageOf(c: Context, device: Device, { mark, half }: Hello): Kept {
  const hint = `debcast push ${device.name} --dry-run   # compares it with the image as it is now`;
  if (half !== undefined) throw new UserError("pull.half", `\`${device.name}\` is half pushed, so it runs no one image`, { hint: `debcast push ${device.name}`, exit: exitStatus.device });
  if (mark.image === undefined) throw new UserError("pull.no-mark", `\`${device.name}\` does not say which image it runs: no push has brought it`, { hint, exit: exitStatus.device });
  const image = kept(c.project.downloads, mark.image);
  if (image) return image;
  throw new UserError("pull.unknown", `\`${device.name}\` runs the image ${mark.image.slice(0, 12)} of \`${mark.conf ?? "?"}\`, pushed ${mark.when ?? "some time ago"} by ${mark.by ?? "somebody"}, which is not known here`, { hint, exit: exitStatus.device });
}
