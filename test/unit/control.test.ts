import { expect, test } from "vitest";
import { parseParagraph, splitParagraphs } from "../../lib/deb/control.ts";
import { told } from "./packages.ts";

test("fields by name in any case, folded values without their indentation", () => {
  const p = parseParagraph("Package: a\nDescription: short\n long  one\n .\n   indented\nEmpty:\nsize:  12 \n", "x");
  expect(p.fields).toEqual([["Package", "a"], ["Description", "short\nlong  one\n.\nindented"], ["Empty", ""], ["size", "12"]]);
  expect([p.get("PACKAGE"), p.get("Size"), p.get("absent")]).toEqual(["a", "12", undefined]);
});

test("a folded value whose first line is empty, and a value with colons", () => {
  const p = parseParagraph("SHA256:\n a 1 x\n b 2 y\nHomepage: http://mirror.example/a:b", "x");
  expect(p.fields).toEqual([["SHA256", "a 1 x\nb 2 y"], ["Homepage", "http://mirror.example/a:b"]]);
});

test("UTF-8 and names of Object's own stay what they are", () => {
  const p = parseParagraph("Maintainer: René <r@mirror.example>\nconstructor: x\ntoString: y", "x");
  expect([p.get("Maintainer"), p.get("constructor"), p.get("tostring"), p.get("hasOwnProperty")]).toEqual(["René <r@mirror.example>", "x", "y", undefined]);
});

test("whatever the parser would drop or merge without a word is refused, with its line", async () => {
  const bad = {
    "carriage returns": "Package: a\r\nVersion: 1\r\n",
    "a field twice": "Package: a\nVersion: 1\npackage: b",
    "a prototype": "Package: a\n__proto__: x",
    "a comment": "Package: a\n# Version: 1",
    "a comment that looks like a field": "Package: a\n#Version: 1",
    "two paragraphs": "Package: a\n\nPackage: b",
    "a line that is no field": "Package: a\nVersion 1",
    "a continuation of nothing": " x\nPackage: a",
    "a signature": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nPackage: a",
    "a NUL": "Package: a\0b",
    "nothing": "",
    "a blank continuation": "Description: a\n  \n b",
  };
  const lines = [];
  for (const [what, text] of Object.entries(bad)) lines.push(`${what}: ${await told(Promise.resolve().then(() => parseParagraph(text, "`x.deb`", { file: "x", line: 10 })))}`);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "carriage returns: error: x:10: \`x.deb\` has a carriage return
    a field twice: error: x:12: \`x.deb\` has the field \`package\` twice
    a prototype: error: x:11: \`x.deb\` has a field with the name \`__proto__\`
    a comment: error: x:11: \`x.deb\` has a line that is no field: \`# Version: 1\`
    a comment that looks like a field: error: x:11: \`x.deb\` has a field with the name \`#Version\`
    two paragraphs: error: x:11: \`x.deb\` has a blank line, and only one paragraph is expected
    a line that is no field: error: x:11: \`x.deb\` has a line that is no field: \`Version 1\`
    a continuation of nothing: error: x:10: \`x.deb\` begins with a continuation line
    a signature: error: x:10: \`x.deb\` has a line that is no field: \`-----BEGIN PGP SIGNED MESSAGE-----\`
    a NUL: error: x:10: \`x.deb\` has a NUL byte
    nothing: error: x:10: \`x.deb\` is empty
    a blank continuation: error: x:11: \`x.deb\` has a blank line, and only one paragraph is expected"
  `);
});

test("paragraphs and the lines on which they begin", () => {
  expect(splitParagraphs("\n\na: 1\nb: 2\n\n \nc: 3").map((p) => [p.line, p.text])).toEqual([[3, "a: 1\nb: 2"], [7, "c: 3"]]);
});
