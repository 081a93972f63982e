// Whether there is anything to do at all: told from sources, the lock and a look at the image, in a third of a second.
import { pinned } from "../rootfs/ledger.ts";
import { handEdits, imagePhoto, readState, writeState, type ImageFiles, type ImageState } from "../output/image.ts";
import type { Prepared } from "../prepare.ts";
import type { Context } from "../verbs/verb.ts";
import { expectedLinks } from "./expected.ts";
import { ledgerKey, sourcesOf } from "./publish.ts";
import { inputsOf } from "./works.ts";

/** What the image is, if it is what a build would make. */
export async function upToDate(c: Context, p: Prepared, files: ImageFiles): Promise<ImageState | undefined> {
  const state = c.cache ? readState(files) : undefined;
  if (!state || state.always || state.kept.length > 0 || p.missingSecrets.length > 0) return undefined;
  if (state.ledger !== ledgerKey(pinned(p.lock.ledger, p.conf.users))) return undefined;
  const inputs = inputsOf(c, p);
  if (JSON.stringify(expectedLinks(p, inputs)) !== JSON.stringify(state.links)) return undefined;
  const names = new Set(p.plan.scriptlets.map((s) => s.name));
  const same = Object.entries(state.answers).every(([question, answer]) => {
    const [kind, what] = [question.slice(0, question.indexOf(" ")), question.slice(question.indexOf(" ") + 1)];
    return answer === (kind === "planned" ? String(names.has(what)) : inputs.confValue(what));
  });
  if (!same || (await handEdits(files, imagePhoto(files)))?.length !== 0) return undefined;
  // Sources were touched, but say the same: the next time this need not be found out again.
  writeState(files, { ...state, sources: sourcesOf(c, p) });
  return state;
}
