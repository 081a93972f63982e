import { linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packagesOf } from "../../lib/inspect/packages.ts";
import { sizesOf, total } from "../../lib/inspect/size.ts";
import { sizesText } from "../../lib/inspect/sizetext.ts";
import { readDirectory } from "../../lib/inspect/tree.ts";
import type { PlannedDeb } from "../../lib/plan/plan.ts";
import { asked } from "../../lib/verbs/size.ts";
import { plant, scratch } from "./trees.ts";

const kilo = (n: number) => "x".repeat(n * 1000);
const made = (path: string) => ({ path, step: "write", where: { file: join(process.cwd(), "base/web.ts"), line: 7, column: 3, scriptlet: "web" } });

function small() {
  const root = plant(scratch(), [
    { name: "web", version: "1", files: { "/usr": undefined, "/bin/web": kilo(40), "/etc": undefined, "/etc/web.conf": kilo(1) } },
    { name: "lib", version: "2", files: { "/usr": undefined, "/usr/lib": undefined, "/usr/lib/lib.so": kilo(20) } },
    { name: "stray", version: "3", files: { "/usr/share/stray": kilo(2) } },
  ], { "/etc/web.d/site": kilo(3), "/boot/initrd.img": kilo(30), "/var/cache/a/1": kilo(4), "/var/cache/a/2": kilo(4) });
  linkSync(join(root, "usr/lib/lib.so"), join(root, "boot/again"));
  const tree = readDirectory(root);
  const packages = packagesOf(tree);
  return { root, tree, packages, made: [made("/etc/web.d/site"), made("/etc/web.conf")] };
}

test("every byte once: of a package, of a step, or of programs; hard links count for who ships one of their names", () => {
  const m = small();
  const sizes = sizesOf({ ...m, scriptlets: [{ name: "core", packages: ["lib"] }, { name: "web", packages: ["web", "lib"] }] });
  expect(sizesText(sizes, { name: "base", top: 2 }).replace(/\d+ B\b/g, "N B")).toMatchInlineSnapshot(`
    "base: 104 kB in 13 files

    by scriptlet                            packages  by steps
      web                  44.0 kB  42.1 %         1    3.0 kB
      core                 20.0 kB  19.1 %         1
      (no scriptlet asks)   2.0 kB   1.9 %         1
      (made by programs)   38.5 kB  36.8 %
        /boot/initrd.img   30.0 kB
        /var/cache/a        8.0 kB
        /var/lib/dpkg        N B

    by package                   files  scriptlet
      web       41.0 kB  39.2 %      2  web
      lib       20.0 kB  19.1 %      1  core
      (1 more)   2.0 kB   1.9 %      1

    largest files
      /usr/bin/web      40.0 kB  38.3 %  package web
      /boot/initrd.img  30.0 kB  28.7 %"
  `);
  expect(total(sizes.scriptlets) + sizes.unplanned + sizes.nobody.bytes).toBe(sizes.bytes);
  expect(total(sizes.packages) + total(sizes.largest.filter((f) => f.package === undefined))).toBe(sizes.bytes);
  expect(sizes.scriptlets.find((s) => s.name === "web")).toEqual({ name: "web", bytes: 44_000, packages: 1, stepBytes: 3000 });
});

test("what a terminal would obey is shown and not sent", () => {
  const m = small();
  writeFileSync(Buffer.concat([Buffer.from(`${m.root}/boot/a\n\x1b[2J`), Buffer.from([0xff])]), kilo(90));
  const text = sizesText(sizesOf({ ...m, tree: readDirectory(m.root), scriptlets: [] }), { name: "base", top: 3 });
  expect(text).toContain("  /boot/a\\x0a\\x1b[2J\ufffd ");
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

test("packages are those of the scriptlets by name, by pattern, and the project's own", () => {
  const where = { file: "base/a.ts", line: 1 };
  const debs: PlannedDeb[] = [
    { kind: "name", spec: "web=1", name: "web", version: "1", where },
    { kind: "name", spec: "lib:amd64", name: "lib", arch: "amd64", where },
    { kind: "pattern", spec: "linux-image-*", where },
    { kind: "build", spec: "tool", dir: "/x", control: { name: "tool", version: "1", depends: [], units: [] }, where },
    { kind: "file", spec: "./own.deb", path: "/x/own.deb", where },
  ];
  const lock = { patterns: new Map([["linux-image-*", "linux-image-6"]]) };
  const ours = [{ name: "own", version: "1", arch: "all", fields: {}, spec: "./own.deb", where }];
  const found = asked({ scriptlets: [{ name: "a", debs }] } as never, { packages: small().packages, lock: lock as never, ours });
  expect(found).toEqual([{ name: "a", packages: ["web", "lib", "linux-image-6", "tool", "own"] }]);
});
