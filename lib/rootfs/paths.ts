// Paths of the image, resolved inside of it: a link in the image never leads a step, or an unpacked file, out of it.
import { lstatSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";

/** As many links as the kernel follows. */
const mostLinks = 40;

/**
 * The host's path of `path` below `root`: links on the way are followed inside of the root (absolute ones from the root; `..`
 * stops there), and the last component too if `last` is "follow". What does not exist is taken as it is.
 */
export function resolveIn(root: string, path: string, last: "follow" | "keep" = "follow"): string {
  return join(root, ...componentsIn(root, path, last));
}

/** The same as a path of the image. */
export function realPath(root: string, path: string, last: "follow" | "keep" = "follow"): string {
  return `/${componentsIn(root, path, last).join("/")}`;
}

function componentsIn(root: string, path: string, last: "follow" | "keep"): string[] {
  const todo = split(path);
  const done: string[] = [];
  for (let links = 0; todo.length > 0; ) {
    const name = todo.shift()!;
    if (name === "..") {
      done.pop();
      continue;
    }
    const target = todo.length === 0 && last === "keep" ? undefined : linkTarget(join(root, ...done, name));
    if (target === undefined) {
      done.push(name);
      continue;
    }
    if (++links > mostLinks) throw new UserError("path.loop", `\`${path}\` leads through too many links in the image`);
    if (target.startsWith("/")) done.length = 0;
    todo.unshift(...split(target));
  }
  return done;
}

function split(path: string): string[] {
  return path.split("/").filter((c) => c !== "" && c !== ".");
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a path is `top` or lies below it. */
export function isBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`);
}
