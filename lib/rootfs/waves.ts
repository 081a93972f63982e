// The order of unpacking: the fewest rounds of place-then-configure in which every preinst finds configured what it may use.
import type { Alternative } from "../deb/dependency.ts";

/** What the order is made of. */
export interface Node {
  readonly name: string;
  readonly essential: boolean;
  readonly preDepends: readonly (readonly Alternative[])[];
  readonly depends: readonly (readonly Alternative[])[];
  readonly provides: readonly (readonly Alternative[])[];
}

/** The Essential packages and all that they need: configured first, as every installer of Debian does. */
export function essentialWave<T extends Node>(nodes: readonly T[]): T[] {
  const graph = graphOf(nodes);
  return inOrder(closure(nodes.filter((n) => n.essential), graph), graph);
}

/**
 * The rest, in waves: what a package with a preinst pre-depends on comes a wave before it, with all that it needs; everything
 * else is in the last wave. `done` is configured already.
 */
export function laterWaves<T extends Node>(nodes: readonly T[], done: ReadonlySet<T>, hasPreinst: (n: T) => boolean): T[][] {
  const graph = graphOf(nodes);
  const rest = nodes.filter((n) => !done.has(n));
  const before = new Map(rest.filter(hasPreinst).map((n) => [n, needsFirst(n, graph, done)]));
  const height = new Map<T, number>();
  // How many waves must follow a package: one more than those that wait for it.
  for (let changed = true, rounds = 0; changed && rounds <= rest.length; rounds++) {
    changed = false;
    for (const [n, first] of before) {
      for (const f of first) {
        const needed = (height.get(n) ?? 0) + 1;
        if ((height.get(f) ?? 0) < needed) changed = !!height.set(f, Math.min(needed, rest.length));
      }
    }
  }
  const waves = Math.max(0, ...height.values()) + 1;
  const all = Array.from({ length: waves }, (_, i) => rest.filter((n) => (height.get(n) ?? 0) === waves - 1 - i));
  return all.map((wave) => inOrder(new Set(wave), graph)).filter((wave) => wave.length > 0);
}

function needsFirst<T extends Node>(n: T, graph: Graph<T>, done: ReadonlySet<T>): Set<T> {
  const direct = graph.targets(n.preDepends);
  const all = closure(direct, graph);
  all.delete(n);
  for (const d of done) all.delete(d);
  return all;
}

interface Graph<T> {
  /** Every package that could meet one of the relations: more than needed does no harm. */
  targets(relations: readonly (readonly Alternative[])[]): T[];
  needs(n: T): T[];
}

function graphOf<T extends Node>(nodes: readonly T[]): Graph<T> {
  const byName = new Map<string, T[]>();
  const add = (name: string, n: T) => byName.set(name, [...(byName.get(name) ?? []), n]);
  for (const n of nodes) {
    add(n.name, n);
    for (const [p] of n.provides) add(p!.name, n);
  }
  const targets = (relations: readonly (readonly Alternative[])[]) => [...new Set(relations.flatMap((or) => or.flatMap((a) => byName.get(a.name) ?? [])))];
  const known = new Map<T, T[]>();
  return {
    targets,
    needs: (n) => {
      let found = known.get(n);
      if (!found) known.set(n, (found = targets([...n.preDepends, ...n.depends])));
      return found;
    },
  };
}

function closure<T extends Node>(from: readonly T[], graph: Graph<T>): Set<T> {
  const all = new Set<T>(from);
  for (const n of all) for (const m of graph.needs(n)) all.add(m);
  return all;
}

/** What is needed comes before what needs it, else by name; rings are cut where they are entered. */
function inOrder<T extends Node>(wave: ReadonlySet<T>, graph: Graph<T>): T[] {
  const ordered = new Set<T>();
  const entered = new Set<T>();
  const visit = (n: T) => {
    if (entered.has(n)) return;
    entered.add(n);
    for (const m of graph.needs(n).filter((m) => wave.has(m)).sort(byName)) visit(m);
    ordered.add(n);
  };
  // base-files makes /bin, /lib and /sbin links, so whatever is in them must come after it.
  const first = [...wave].sort((a, b) => Number(b.name === "base-files") - Number(a.name === "base-files") || byName(a, b));
  for (const n of first.filter((n) => n.name === "base-files")) {
    ordered.add(n);
    entered.add(n);
  }
  for (const n of first) visit(n);
  return [...ordered];
}

function byName(a: Node, b: Node): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
