// Files of accounts on the device: read, merged with those of the image, and written by a line for the script there.
import { UserError, exitStatus } from "../errors.ts";
import { mergeAccounts } from "./accounts.ts";
import { accountFiles, asBytes, type Items } from "./inventory.ts";
import { printfFormat, temporary, type Remote } from "./remote.ts";

export interface AccountFile {
  readonly file: string;
  /** Bytes. */
  readonly text: string;
}

/** Those that are to become something else on the device. */
export async function readAccounts(remote: Remote, o: { device: string; image: Readonly<Record<string, string>>; was: readonly Readonly<Record<string, string>>[] }): Promise<AccountFile[]> {
  // One process for all of them: `FILE:LINE`.
  const { lines, status } = await remote.ask(`grep -a '' ${accountFiles.join(" ")} /dev/null 2> /dev/null`);
  const device = new Map<string, string>();
  for (const line of lines) {
    const file = line.slice(0, line.indexOf(":"));
    device.set(file, `${device.get(file) ?? ""}${asBytes(line.slice(file.length + 1))}\n`);
  }
  const odd = lines.find((l) => l.includes("\ufffd"));
  if (odd !== undefined) {
    // Not more of the line: it may be one of shadow.
    const [file, account] = odd.split(":");
    throw new UserError("push.accounts", `the line of \`${account}\` in ${file} of \`${o.device}\` is not UTF-8, and cannot be merged with the image's`, { hint: `correct it on the device: debcast ssh ${o.device}`, exit: exitStatus.device });
  }
  // A grep that was killed must not cost a device its accounts. One file or another may be absent: that is 2.
  if (status > 2) throw new UserError("push.accounts", `the files of accounts of \`${o.device}\` could not be read: grep ended there with ${status}`, { hint: `debcast push ${o.device}   # once more: it may have been short of memory`, exit: exitStatus.device });
  if (!/^root:/m.test(device.get("/etc/passwd") ?? "")) throw new UserError("push.accounts", `/etc/passwd of \`${o.device}\` could not be read, or has no root in it`, { hint: `debcast ssh ${o.device} -- cat /etc/passwd`, exit: exitStatus.device });
  return accountFiles.flatMap((file) => {
    const image = o.image[file];
    if (image === undefined) return [];
    const now = device.get(file) ?? "";
    const text = mergeAccounts(file, { was: o.was.map((w) => w[file] ?? ""), image, device: now });
    return text === now ? [] : [{ file, text }];
  });
}

/** Each is whole when it takes its place; hashes of passwords are nobody's to read meanwhile. */
export function accountsLine(files: readonly AccountFile[], want: Items): string {
  const at = (f: AccountFile) => `${temporary}/${f.file.slice("/etc/".length)}`;
  const owners = new Map<string, string[]>();
  const steps = files.map((f) => {
    const { mode, uid, gid } = want.get(f.file)!;
    if (uid !== 0 || gid !== 0) owners.set(`${uid}:${gid}`, [...(owners.get(`${uid}:${gid}`) ?? []), at(f)]);
    return `umask ${(0o666 & ~mode).toString(8).padStart(3, "0")} && printf ${printfFormat(f.text)} > ${at(f)}`;
  });
  const chown = [...owners].map(([owner, paths]) => `chown ${owner} ${paths.join(" ")}`);
  return `(${[...steps, ...chown, `mv -f -t /etc ${files.map(at).join(" ")}`].join(" && ")})`;
}
