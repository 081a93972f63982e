// The order of scriptlets: depth first by need(), in the order in which they were asked for; after() moves a scriptlet behind
// others that are planned anyway.
import { UserError, type Where } from "../errors.ts";
import { formatWhere } from "../format.ts";

export interface Edge {
  readonly name: string;
  readonly where: Where;
}

export interface Node {
  readonly name: string;
  readonly needs: readonly Edge[];
  readonly afters: readonly Edge[];
}

/** Nodes in running order. `nodes` is in the order of being asked for. */
export function inOrder<N extends Node>(nodes: ReadonlyMap<string, N>): N[] {
  const done = new Set<string>();
  const order: N[] = [];
  const path: Edge[] = [];
  const visit = (node: N, edge: Edge): void => {
    if (done.has(node.name)) return;
    const start = path.findIndex((e) => e.name === node.name);
    if (start !== -1) throw ring([...path.slice(start), edge]);
    path.push(edge);
    for (const e of [...node.needs, ...node.afters]) {
      const next = nodes.get(e.name);
      if (next) visit(next, e);
    }
    path.pop();
    done.add(node.name);
    order.push(node);
  };
  for (const node of nodes.values()) visit(node, { name: node.name, where: { file: "" } });
  return order;
}

/** `edges`: the one into the ring first, the one that closes it last; each names what it asks for. */
export function ring(edges: readonly Edge[]): UserError {
  const names = edges.map((e) => e.name);
  const links = edges.slice(1).map((e, i) => `${formatWhere(e.where)}: \`${names[i]}\` comes after \`${e.name}\``);
  return new UserError("plan.ring", `scriptlets wait for each other in a ring: ${names.join(" → ")}`, {
    where: edges.at(-1)!.where,
    details: links.join("\n"),
    hint: "move what both need into a third scriptlet, or take one need() out",
  });
}
