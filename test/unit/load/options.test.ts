import { expect, test } from "vitest";
import { confOf, load, messageOf, project } from "./project.ts";

const kiosk = `import { defineOptions, int, listOf, oneOf, optional, text } from "debcast";

export const options = defineOptions({
  url: text({ match: /^https?:/ }),
  rotate: oneOf(0, 90, 180),
  tabs: optional(int({ min: 1, max: 9 })),
  hosts: optional(listOf(text())),
  user: "kiosk",
  fast: false,
});
`;

const withOptions = (options: string, more = "") => project({ "conf/base.ts": confOf('"kiosk"', `options: {\n    ${options}\n  },${more}`), "base/kiosk.ts": kiosk, "base/plain.ts": "" });

test("values, with defaults for what is not set", async () => {
  const p = withOptions('kiosk: { url: "https://x.example", rotate: 90, hosts: ["a"] },');
  p.write("base/kiosk.ts", `${kiosk}import { fail } from "debcast";\nfail(JSON.stringify(options));\n`);
  expect(await messageOf(p, () => load(p))).toContain('{"url":"https://x.example","rotate":90,"hosts":["a"],"user":"kiosk","fast":false}');
});

test("a missing option names scriptlet, option and conf; all mistakes are told at once, at their lines", async () => {
  const p = withOptions('kiosk: {\n      rotat: 90,\n      tabs: 12,\n      hosts: ["a", 3],\n      fast: "yes",\n    },\n    plain: {},');
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`
    "error: conf/base.ts:8:5: the scriptlet \`kiosk\` needs its option \`url\`, which conf \`base\` does not set: text that matches \`/^https?:/\`

    hint: options: { kiosk: { url: "…" } },

    error: conf/base.ts:8:5: the scriptlet \`kiosk\` needs its option \`rotate\`, which conf \`base\` does not set: \`0\`, \`90\` or \`180\`

    hint: options: { kiosk: { rotate: 0 } },

    error: conf/base.ts:10:7: option \`tabs\` of the scriptlet \`kiosk\` is \`12\`; expected a whole number from 1 to 9

    error: conf/base.ts:11:7: option \`hosts\` of the scriptlet \`kiosk\` is \`["a",3]\`; expected a list, each of it text

    error: conf/base.ts:12:7: option \`fast\` of the scriptlet \`kiosk\` is \`"yes"\`; expected \`true\` or \`false\`

    error: conf/base.ts:9:7: the scriptlet \`kiosk\` has no option \`rotat\`

    hint: did you mean \`rotate\`?"
  `);
});

test("no options at all", async () => {
  const p = project({ "base/kiosk.ts": kiosk, "conf/base.ts": confOf('"kiosk"') });
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`
    "error: conf/base.ts: the scriptlet \`kiosk\` needs its option \`url\`, which conf \`base\` does not set: text that matches \`/^https?:/\`

    hint: options: { kiosk: { url: "…" } },

    error: conf/base.ts: the scriptlet \`kiosk\` needs its option \`rotate\`, which conf \`base\` does not set: \`0\`, \`90\` or \`180\`

    hint: options: { kiosk: { rotate: 0 } },"
  `);
});

test("options for a scriptlet that is not planned, or has none", async () => {
  const p = withOptions('kiosk: { url: "http://x", rotate: 0 }, kios: {}, plain: { x: 1 }, minbase: {},');
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`
    "error: conf/base.ts:8:44: \`options\` sets \`kios\`, which is no scriptlet of this image

    hint: did you mean \`kiosk\`?

    error: conf/base.ts:8:54: \`options\` sets \`plain\`, which is no scriptlet of this image

    hint: add \`plain\` to \`scriptlets\`, or take it out of \`options\`

    error: conf/base.ts:8:71: the scriptlet \`minbase\` has no options

    hint: take \`minbase\` out of \`options\`"
  `);
});

test("an export that is not declared with the functions for it", async () => {
  const p = project({ "base/a.ts": 'import { defineOptions } from "debcast";\nexport const options = defineOptions({ x: { min: 1 } as any });\n' });
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`"error: base/a.ts:2:24 (a): option \`x\` is declared as an object; it takes text(), int(), oneOf(), listOf(), optional() or a default"`);
});
