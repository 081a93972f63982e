// With the network, programs of the image resolve names as this machine does; the image's own resolv.conf stays as it is.
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { Mount } from "./script.ts";

const file = "/etc/resolv.conf";

/** The mount that does it. Where the image has no such file, an empty one is made to mount on, and `undo` removes it. */
export function layResolvConf(root: string): { mounts: Mount[]; undo: () => void } | undefined {
  if (!existsSync(file)) return undefined;
  const at = followInside(root, file);
  const made = at === undefined ? undefined : makeFile(root, at);
  if (at === undefined || made === undefined) return undefined;
  return {
    mounts: [{ from: realpathSync(file), to: `/image${at}`, options: "bind,ro" }],
    undo: () => made.reverse().forEach((path) => rmSync(path, { recursive: true, force: true })),
  };
}

/** Where `path` leads in the image, no part of it being a link; at most one link in its directories, which is what there is. */
function followInside(root: string, path: string): string | undefined {
  let at = "";
  let rest = path.split("/").filter(Boolean);
  for (let links = 0; rest.length > 0; ) {
    const next = `${at}/${rest.shift()}`;
    const stat = lstatSync(root + next, { throwIfNoEntry: false });
    if (!stat?.isSymbolicLink()) {
      at = next;
      continue;
    }
    if (++links > 20) return undefined;
    const target = readlinkSync(root + next);
    const whole = normalize(target.startsWith("/") ? target : join(at || "/", target));
    [at, rest] = ["", [...whole.split("/").filter(Boolean), ...rest]];
  }
  return at;
}

/** Makes the file and the directories it lacks; returns what it made, in that order. */
function makeFile(root: string, at: string): string[] | undefined {
  const there = lstatSync(root + at, { throwIfNoEntry: false });
  if (there) return there.isFile() ? [] : undefined;
  const first = mkdirSync(dirname(root + at), { recursive: true });
  closeSync(openSync(root + at, "wx", 0o644));
  return [first ?? root + at];
}
