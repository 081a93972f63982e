import { expect, test } from "vitest";
import { checkRelease } from "../../lib/archive/release.ts";
import { parseRelease } from "../../lib/deb/release.ts";
import { told } from "./packages.ts";

const text = `Origin: Debian
Suite: stable-security
Codename: trixie-security
Date: Sat, 06 Sep 2026 10:11:12 UTC
Valid-Until: Sat, 13 Sep 2026 10:11:12 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64
Components: updates/main updates/contrib
SHA256:
 ${"a".repeat(64)}     1234 main/binary-amd64/Packages.xz
 ${"b".repeat(64)}        0 main/binary-all/Packages
`;

test("what a Release says", () => {
  const { files, ...rest } = parseRelease(text, "the InRelease");
  expect(rest).toMatchInlineSnapshot(`
    {
      "acquireByHash": true,
      "allIncluded": true,
      "architectures": [
        "all",
        "amd64",
      ],
      "codename": "trixie-security",
      "components": [
        "main",
        "contrib",
      ],
      "date": 1788689472,
      "suite": "stable-security",
      "validUntil": 1789294272,
    }
  `);
  expect([...files]).toEqual([
    ["main/binary-amd64/Packages.xz", { sha256: "a".repeat(64), size: 1234 }],
    ["main/binary-all/Packages", { sha256: "b".repeat(64), size: 0 }],
  ]);
});

test("a Release that cannot be right", async () => {
  const bad = [text.replace(/^Date.*\n/m, ""), text.replace("06 Sep 2026", "yesterday"), text.replace("UTC\nValid", "CEST\nValid"), text.replace("1234 main", "main"), text.replace("Suite", "Codename")];
  const lines = [];
  for (const t of bad) lines.push(await told(Promise.resolve().then(() => parseRelease(t, "the InRelease of `trixie`"))));
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "error: the InRelease of \`trixie\` has no Date
    error: the InRelease of \`trixie\` has a date that cannot be read: \`Sat, yesterday 10:11:12 UTC\`
    error: the InRelease of \`trixie\` has a date that cannot be read: \`Sat, 06 Sep 2026 10:11:12 CEST\`
    error: the InRelease of \`trixie\` has a broken SHA256 line: \`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa     main/binary-amd64/Packages.xz\`
    error: the InRelease of \`trixie\` has the field \`Codename\` twice"
  `);
});

test("another suite, an old one, and one of the future are refused; either of a suite's names will do", async () => {
  const release = parseRelease(text, "x");
  const check = (suite: string, now: string) =>
    told(Promise.resolve().then(() => checkRelease(release, { spec: { suite }, url: "http://mirror.example/InRelease", now: Date.parse(now) / 1000 })));
  expect([await check("trixie-security", "2026-09-07"), await check("stable-security", "2026-09-07")]).toEqual(["no error: undefined", "no error: undefined"]);
  expect([await check("bookworm-security", "2026-09-07"), await check("trixie-security", "2026-09-14"), await check("trixie-security", "2026-09-05")].join("\n\n")).toMatchInlineSnapshot(`
    "error: the InRelease of \`bookworm-security\` is of another suite: \`trixie-security\`, \`stable-security\`
      http://mirror.example/InRelease

    hint: the mirror is wrong, or leads elsewhere: another one with \`--mirror\`

    error: the InRelease of \`trixie-security\` was valid until 2026-09-13 10:11 only
      http://mirror.example/InRelease

    hint: the mirror is not kept up to date (another one with \`--mirror\`), or this machine's clock is wrong

    error: the InRelease of \`trixie-security\` is dated 2026-09-06 10:11, which is yet to come
      http://mirror.example/InRelease

    hint: this machine's clock says 2026-09-05 00:00: is that right?"
  `);
});
