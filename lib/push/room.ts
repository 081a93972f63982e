// Whether there is room on the device for what is to be sent, and what is said when there is none after all.
import { UserError, exitStatus } from "../errors.ts";
import { formatBytes, formatCount } from "../format.ts";

export interface Room {
  readonly bytes: number;
  readonly inodes: number;
}

export function checkRoom(name: string, free: Room, needed: Room): void {
  if (needed.bytes <= free.bytes && needed.inodes <= free.inodes) return;
  const [has, wants] = needed.bytes > free.bytes ? [formatBytes(free.bytes), formatBytes(needed.bytes)] : [formatCount(free.inodes, "inode"), String(needed.inodes)];
  throw new UserError("push.full", `\`${name}\` has ${has} free, and this push needs ${wants}; nothing was changed`, { hint: "make room on it, or a larger `disk.root` in the conf", exit: exitStatus.device });
}

/** Not even a block is left for whoever is not root. */
export function isFull(free: Room): boolean {
  return free.bytes < 4096 || free.inodes < 1;
}

/** How to go on after a push that broke off. */
export function resume(name: string): string {
  return `what was sent is there, and the rest comes with: debcast push ${name}`;
}

export function fullDisk(name: string, details: string, again = resume(name)): UserError {
  return new UserError("push.full", `the disk of \`${name}\` is full`, { details, hint: `make room on it; ${again}`, exit: exitStatus.device });
}
