// The order of unpacking.
import { expect, test } from "vitest";
import { parseRelations } from "../../lib/deb/dependency.ts";
import { essentialWave, laterWaves, type Node } from "../../lib/rootfs/waves.ts";

interface Brief extends Node {
  readonly preinst: boolean;
}

/** `name! [preinst] pre: a, b | c dep: d provides: e`; `!` is Essential. */
function node(text: string): Brief {
  const field = (name: string) => parseRelations(new RegExp(`${name}: ([^:]*?)(?= \\w+:|$)`).exec(text)?.[1] ?? "");
  const name = text.split(" ")[0]!;
  return {
    name: name.replace("!", ""), essential: name.endsWith("!"), preinst: text.includes("[preinst]"),
    preDepends: field("pre"), depends: field("dep"), provides: field("provides"),
  };
}

function waves(...texts: string[]): string[] {
  const nodes = texts.map(node);
  const first = essentialWave(nodes);
  return [first, ...laterWaves(nodes, new Set(first), (n) => n.preinst)].map((w) => w.map((n) => n.name).join(" "));
}

test("the first wave is what Essential packages need; base-files is first of all", () => {
  expect(waves("awk-user! pre: awk", "mawk dep: libc provides: awk", "libc dep: libgcc", "libgcc dep: libc", "base-files! pre: awk", "other dep: libc")).toEqual([
    "base-files libgcc libc mawk awk-user", "other",
  ]);
});

test("without Pre-Depends there is one wave more, in which needs come first", () => {
  expect(waves("a! ", "d dep: b, c", "c dep: b", "b [preinst]", "ring1 dep: ring2", "ring2 dep: ring1")).toEqual(["a", "b c d ring2 ring1"]);
});

test("what a preinst may use is configured a wave before, with all that it needs itself", () => {
  expect(waves("a!", "x [preinst] pre: tool (>= 1) | nothing", "tool dep: lib", "lib", "bystander dep: lib, x", "y pre: bystander")).toEqual(["a", "lib tool", "x bystander y"]);
});

test("chains of them take a wave each", () => {
  expect(waves("a!", "z [preinst] pre: y", "y [preinst] pre: x", "x [preinst]", "w")).toEqual(["a", "x", "y", "w z"]);
});

test("rings of Pre-Depends end", () => {
  expect(waves("a!", "p [preinst] pre: q", "q [preinst] pre: p").flatMap((w) => w.split(" ")).sort()).toEqual(["a", "p", "q"]);
});
