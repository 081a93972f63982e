// Whether there is room on the device for what is to be sent.
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
