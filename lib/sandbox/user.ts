// Users by the image's own files: no library of the host or of the image has a say in it.
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError, nearest } from "../errors.ts";

export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

export function findUser(root: string, name: string): ImageUser {
  const users = rows(root, "etc/passwd");
  const row = users.find((r) => r[0] === name);
  if (!row) {
    const near = nearest(name, users.map((r) => r[0]!));
    throw new UserError("sandbox.no-user", `the image has no user \`${name}\``, { hint: near && `did you mean \`${near}\`?` });
  }
  const groups = rows(root, "etc/group").filter((r) => r[3]?.split(",").includes(name)).map((r) => Number(r[2]));
  return { uid: Number(row[2]), gid: Number(row[3]), groups: [...new Set([Number(row[3]), ...groups])], home: row[5] || "/" };
}

function rows(root: string, file: string): string[][] {
  // A link here could name a file of this machine.
  if (!lstatSync(join(root, "etc")).isDirectory() || !lstatSync(join(root, file)).isFile()) throw new UserError("sandbox.users", `\`/${file}\` in the image is no plain file`);
  return readFileSync(join(root, file), "utf8").split("\n").filter((l) => l.includes(":")).map((l) => l.split(":"));
}
