// What debcast wants of the host: named in one line for a normal user, installed for root. The programs here are files in a
// temporary directory; apt-get is a script that writes down how it was called.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Event } from "../../lib/events.ts";
import { ensureHostPrograms, hostPrograms, missingPrograms } from "../../lib/setup.ts";
import { told } from "./packages.ts";

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "debcast-setup-"))));
afterEach(() => rmSync(dir, { recursive: true }));

const program = (name: string, mode = 0o755, text = "#!/bin/sh\n") => {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), mode);
};
const host = (root: boolean) => ({ root, path: dir, env: { PATH: `${dir}:/usr/bin:/bin` } });
const packages = (root: boolean) => missingPrograms(host(root)).map((p) => p.package);

/** An apt-get that puts `brings` beside itself. */
const apt = (brings: string[], status = 0) =>
  program("apt-get", 0o755, `#!/bin/sh
echo "$DEBIAN_FRONTEND: $*" >>${dir}/calls
[ "$1" = update ] && exit 0
for p in ${brings.join(" ")}; do echo >${dir}/$p; chmod 755 ${dir}/$p; done
[ ${status} = 0 ] || echo "E: no such luck" >&2
exit ${status}
`);

test("nothing there: a normal user gets one line to paste", async () => {
  expect(await told(ensureHostPrograms(() => {}, host(false)))).toMatchInlineSnapshot(`
    "error: this machine lacks \`unshare\` (namespaces for the sandbox), \`mount\` (mounts inside of them), \`xz\` (decompresses package indexes and .debs), \`gpgv\` (verifies the archive's signature), \`newuidmap\` (maps a normal user's subordinate ids)

    hint: sudo apt-get install util-linux mount xz-utils gpgv uidmap"
  `);
});

test("only what is missing is named", async () => {
  for (const name of ["unshare", "mount", "gpgv"]) program(name);
  expect(await told(ensureHostPrograms(() => {}, host(false)))).toMatchInlineSnapshot(`
    "error: this machine lacks \`xz\` (decompresses package indexes and .debs), \`newuidmap\` (maps a normal user's subordinate ids)

    hint: sudo apt-get install xz-utils uidmap"
  `);
});

test("everything there: silence", async () => {
  for (const p of hostPrograms.filter((q) => q.when !== "vm")) program(p.commands[0]!);
  await ensureHostPrograms((e) => expect.unreachable(JSON.stringify(e)), host(false));
});

test("one of several commands will do; root needs no map of ids; a file that cannot be run is no program", () => {
  program("sqv");
  program("xz", 0o644);
  expect(packages(false)).toEqual(["util-linux", "mount", "xz-utils", "uidmap"]);
  expect(packages(true)).toEqual(["util-linux", "mount", "xz-utils"]);
});

test("root: lists are read anew, and exactly the missing packages installed", async () => {
  for (const name of ["unshare", "mount"]) program(name);
  apt(["xz", "gpgv"]);
  const events: Event[] = [];
  await ensureHostPrograms((e) => void events.push(e), host(true));
  expect(events).toEqual([{ type: "note", text: "installing xz-utils, gpgv" }]);
  expect(readFileSync(join(dir, "calls"), "utf8")).toMatchInlineSnapshot(`
    "noninteractive: update -q
    noninteractive: install -qy --no-install-recommends -o DPkg::Lock::Timeout=120 xz-utils gpgv
    "
  `);
});

test("apt-get that fails, and one that brings nothing", async () => {
  for (const name of ["unshare", "mount", "gpgv"]) program(name);
  apt([], 100);
  expect(await told(ensureHostPrograms(() => {}, host(true)))).toMatchInlineSnapshot(`
    "error: could not install what debcast needs on this machine: \`apt-get install -qy --no-install-recommends -o DPkg::Lock::Timeout=120 xz-utils\` ended with status 100
      E: no such luck"
  `);
  apt([]);
  expect(await told(ensureHostPrograms(() => {}, host(true)))).toMatchInlineSnapshot(`
    "error: this machine lacks \`xz\` (decompresses package indexes and .debs)

    hint: apt-get install --reinstall xz-utils"
  `);
});
