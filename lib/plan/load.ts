// From a conf to its plan: makes the bundles ready, then evaluates each scriptlet once, when the first need() names it. Loading
// does nothing but listen, so when a name turns up that was not made ready, it starts again with that one too.
import { Mistakes, UserError, nearest, throwAll } from "../errors.ts";
import type { Project } from "../project.ts";
import type { Bundle } from "./bundle.ts";
import { findScriptlets, type Catalogue } from "./catalogue.ts";
import { confPlace } from "./confplace.ts";
import { deepFrozen } from "./frozen.ts";
import { inOrder, ring, type Edge } from "./graph.ts";
import { scriptletModule, type Planner } from "./module.ts";
import { unusedOptions } from "./options.ts";
import type { Conf, Plan } from "./plan.ts";
import { bundleId, here, newRecord, sealed, type ScriptletRecord } from "./record.ts";
import { openStock } from "./stock.ts";
import { evaluate, newContext } from "./evaluate.ts";
import { asMistake, lazyWhere } from "./where.ts";

export interface LoadOptions {
  /** The conf's scriptlets were replaced by others: options for the absent ones are no mistake. */
  readonly partial?: boolean;
}

export async function loadPlan(project: Project, conf: Conf, o: LoadOptions = {}): Promise<Plan> {
  const catalogue = findScriptlets(project);
  const stock = openStock(project, catalogue);
  const roots = rootsOf(conf);
  for (let wanted = roots.map((r) => r.name); ; ) {
    await stock.ready(wanted);
    try {
      const records = new Loading({ conf, catalogue, bundles: stock.bundles }).run(roots, o);
      return { project, conf, scriptlets: records.map((r) => sealed(r, conf)) };
    } catch (e) {
      if (!(e instanceof NotReady)) throw e;
      wanted = [e.scriptlet];
    }
  }
}

/** What the conf asks for: minbase first in every image, then `user` if it has users. */
function rootsOf(conf: Conf): Edge[] {
  const implied = ["minbase", ...(conf.users.length > 0 ? ["user"] : [])];
  const asked = conf.scriptlets as readonly string[];
  return [...new Set([...implied, ...asked])].map((name) => ({ name, where: lazyWhere(() => confPlace(conf, ["scriptlets", name])) }));
}

/** A scriptlet is needed whose bundle is not there yet. */
class NotReady {
  readonly scriptlet: string;

  constructor(scriptlet: string) {
    this.scriptlet = scriptlet;
  }
}

interface Materials {
  readonly conf: Conf;
  readonly catalogue: Catalogue;
  readonly bundles: ReadonlyMap<string, Bundle>;
}

/** One pass over the scriptlets of one plan. */
class Loading implements Planner {
  readonly conf: Conf;
  readonly shown: object;
  readonly #m: Materials;
  readonly #context = newContext();
  /** Loaded, in the order in which they were done. */
  readonly #records = new Map<string, ScriptletRecord>();
  readonly #failed = new Map<string, UserError | Mistakes>();
  /** Being loaded, the outermost first, each by the need() that named it. */
  readonly #stack: Edge[] = [];

  constructor(m: Materials) {
    this.#m = m;
    this.conf = m.conf;
    this.shown = shownConf(m.conf);
  }

  /** The records in running order. Mistakes of scriptlets that have nothing to do with each other are thrown together. */
  run(roots: readonly Edge[], o: LoadOptions): ScriptletRecord[] {
    const found = new Set<UserError>();
    for (const root of roots) {
      try {
        this.#check(root.name, root.where);
        this.#load(root);
      } catch (e) {
        if (!(e instanceof UserError || e instanceof Mistakes)) throw e;
        for (const one of e instanceof Mistakes ? e.all : [e]) found.add(one);
      }
    }
    throwAll([...found]);
    if (!o.partial) throwAll([...unusedOptions(this.conf, this.#records), ...this.#unheard()]);
    return inOrder(this.#records);
  }

  /** Locale and time zone are set by scriptlets: without them the conf would be ignored in silence. */
  #unheard(): UserError[] {
    const set = [...(this.conf.locale === "C.UTF-8" ? [] : ["locale"]), ...(this.conf.timezone === "Etc/UTC" ? [] : ["timezone"])];
    return set.filter((key) => !this.#records.has(key)).map((key) => new UserError("conf.unheard", `\`${key}\` is set, but the scriptlet \`${key}\` that sees to it is not planned`, {
      where: confPlace(this.conf, [key]),
      hint: `scriptlets: ["${key}", …],`,
    }));
  }

  need(name: string, by: ScriptletRecord): unknown {
    const edge = { name, where: here(by) };
    by.needs.push(edge);
    return this.#load(edge);
  }

  mustExist(name: unknown, by: ScriptletRecord): asserts name is string {
    if (typeof name !== "string" || !this.#m.catalogue.has(name)) this.#check(String(name), here(by));
  }

  #check(name: string, where: Edge["where"]): void {
    if (this.#m.catalogue.has(name)) return;
    const near = nearest(name, this.#m.catalogue.keys());
    throw new UserError("plan.unknown-scriptlet", `there is no scriptlet \`${name}\``, {
      where,
      hint: near ? `did you mean \`${near}\`?` : `a scriptlet is a file base/${name}.ts`,
    });
  }

  #load(edge: Edge): unknown {
    const { name } = edge;
    const failed = this.#failed.get(name);
    if (failed) throw failed;
    const known = this.#records.get(name);
    if (known) return known.exports;
    const start = this.#stack.findIndex((e) => e.name === name);
    if (start !== -1) throw ring([...this.#stack.slice(start), edge]);
    const bundle = this.#m.bundles.get(name);
    if (!bundle) throw new NotReady(name);
    const record = newRecord(this.#m.catalogue.get(name)!, bundle);
    this.#stack.push(edge);
    try {
      record.exports = this.#evaluate(record);
    } catch (e) {
      if (e instanceof NotReady) throw e;
      const mistake = asMistake(e, record.whereOf);
      this.#failed.set(name, mistake);
      throw mistake;
    } finally {
      record.open = false;
      this.#stack.pop();
    }
    this.#records.set(name, record);
    return record.exports;
  }

  #evaluate(record: ScriptletRecord): unknown {
    const debcast = scriptletModule(record, this);
    return evaluate({ code: record.bundle.code, id: bundleId(record.source), context: this.#context, debcast });
  }
}

/** `conf` as scriptlets read it: without what is not their business. */
function shownConf(conf: Conf): object {
  const { options: _, file: _file, inputs: _inputs, ...shown } = conf;
  return deepFrozen(shown);
}
