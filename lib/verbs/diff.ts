import { UserError, exitStatus } from "../errors.ts";
import { compare, isEmpty } from "../inspect/compare.ts";
import { comparisonText } from "../inspect/difftext.ts";
import { openSide, placeOf, type Place } from "../inspect/sides.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

/** As diff(1) has it, so that a script can tell a difference from a mistake. */
const statuses = { same: exitStatus.done, different: 1, trouble: 2 } as const;

export const verb: Verb = {
  name: "diff",
  usage: "diff A B",
  summary: "what changed between two images, locks or tarballs; status 1 when something did, 2 when it cannot be said",
  args: [0, 2],
  options: { times: { type: "boolean", help: "compare times of modification, too" } },
  run: async (c: Context): Promise<Outcome> => {
    try {
      const places = placesOf(c);
      if (places.some((p) => p.kind === "directory")) await enterNamespaces(c);
      return await difference(c, places);
    } catch (e) {
      if (!(e instanceof UserError)) throw e;
      throw new UserError(e.code, e.message, { where: e.where, hint: e.hint, details: e.details, cause: e.cause, exit: statuses.trouble });
    }
  },
};

/** What two places have and have not in common. */
export async function difference(c: Pick<Context, "project" | "options">, [a, b]: readonly [Place, Place]): Promise<Outcome> {
  const found = compare(await openSide(c.project, a), await openSide(c.project, b), { times: c.options.times === true });
  const same = isEmpty(found);
  return { text: comparisonText(found), data: { same, ...found }, code: same ? statuses.same : statuses.different };
}

/** Both arguments, or what is missing. */
export function placesOf(c: Pick<Context, "project" | "args">): [Place, Place] {
  const [a, b] = c.args;
  if (a === undefined || b === undefined) {
    const given = a === undefined ? "nothing" : `only \`${a}\``;
    throw new UserError("usage", `\`debcast diff\` compares two things, and ${given} was given`, {
      hint: "debcast diff A B\nwhere each is an image (a name or a directory), a lock or a tarball", exit: exitStatus.usage,
    });
  }
  return [placeOf(c.project, a), placeOf(c.project, b)];
}

/** Only for directories, whose files may be of other owners. */
async function enterNamespaces(c: Context): Promise<void> {
  await (await import("../setup.ts")).ensureHostPrograms(c.emit);
  await (await import("../namespace.ts")).enterNamespaces();
}
