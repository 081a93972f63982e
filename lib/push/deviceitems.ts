// What is on a device, path by path, in the form in which an inventory has an image: so the two can be compared.
//
// One script of find(1), sha256sum(1), perl and tar(1), which every Debian has: perl tells which paths have attributes at all, and tar
// what they are, just as it told of the image's.
import { randomBytes } from "node:crypto";
import { UserError, exitStatus } from "../errors.ts";
import { shellQuote } from "../run.ts";
import type { Connection } from "./connection.ts";
import { linksOf, parseSeen, readable, seenFormat, type Item, type Items } from "./inventory.ts";
import { members } from "./members.ts";

/** `leave`: paths, as bytes, of which nothing is wanted, nor of what is below them. What is mounted below / is not looked at. */
export async function itemsOf(connection: Connection, leave: readonly string[]): Promise<Items> {
  const end = `=${randomBytes(16).toString("hex")}`;
  const { status, stdout, stderr } = await connection.run(script(end, leave), { encoding: "latin1" });
  const [listed, hashed, named, archive] = stdout.split(`${end}\n`);
  if (status !== 0 || listed === undefined || hashed === undefined || named === undefined || archive === undefined) {
    throw new UserError("pull.list", `\`${connection.device.name}\` could not be looked through`, { details: stderr.trim(), exit: exitStatus.device });
  }
  const hashes = new Map(hashed.split("\0").filter((l) => l !== "").map((l) => [l.slice(64).replace(/^ [ *]\./, ""), l.slice(0, 64)]));
  const attributes = await attributesIn(named, archive);
  const seen = parseSeen(listed);
  const links = linksOf(seen);
  return new Map(seen.flatMap((s): [string, Item][] => {
    const content = s.item.type === "f" ? hashes.get(s.path) : s.item.content;
    // A file that went while it was looked at.
    if (content === undefined) return [];
    return [[s.path, { ...s.item, content, attributes: attributes.get(s.path) ?? "", links: links.get(s.inode) ?? "" }]];
  }));
}

/** Numbers of llistxattr(2). */
const calls = { x86_64: 195, aarch64: 12, armv7l: 233 };

function script(end: string, leave: readonly string[]): string {
  const paths = leave.map((path) => `-path ${shellQuote([`.${readable(path).replace(/[*?[\\]/g, "\\$&")}`])}`).join(" -o ");
  const call = Object.entries(calls).map(([machine, n]) => `${machine}) call=${n};;`).join(" ");
  return `
cd /
d=$(mktemp -d /run/debcast-pull.XXXXXX)
trap 'rm -rf "$d"' EXIT
find . -xdev \\( ${paths} \\) -prune -o -printf '${seenFormat}' \\( -type f -fprint0 "$d/files" -o -true \\) ! -type l ! -type s -fprint0 "$d/all"
echo '${end}'
xargs -0 -r sha256sum -z -- < "$d/files" || :
echo '${end}'
case $(uname -m) in ${call} *) echo "debcast cannot ask for attributes of files on $(uname -m)" >&2; exit 1;; esac
perl -0lne "print if syscall($call, \\$_, 0, 0) > 0" < "$d/all" > "$d/some"
cat "$d/some"
echo '${end}'
tar --create --file=- --format=posix --numeric-owner --no-recursion --null --verbatim-files-from --files-from="$d/some" --xattrs --xattrs-include='*' --acls || :
`;
}

/** Digests of the attributes of these paths, which are the members of the archive in that order. */
async function attributesIn(named: string, archive: string): Promise<Map<string, string>> {
  const paths = named.split("\0").filter((p) => p !== "");
  const found = new Map<string, string>();
  let at = 0;
  for await (const m of members(once(Buffer.from(archive, "latin1")), () => false)) found.set(paths[at++]!.slice(1) || "/", m.attributes);
  return found;
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}
