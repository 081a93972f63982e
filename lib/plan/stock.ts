// The bundles of the scriptlets that a plan may need, made ready before any of them is evaluated.
import type { Project } from "../project.ts";
import { openBundles, type Bundle, type Bundles } from "./bundle.ts";
import type { Catalogue, Source } from "./catalogue.ts";

export interface Stock {
  readonly bundles: ReadonlyMap<string, Bundle>;
  /** Bundles these and all that they mention, as far as that can be seen without running them. */
  ready(names: readonly string[]): Promise<void>;
}

export function openStock(project: Project, catalogue: Catalogue): Stock {
  const bundles = new Map<string, Bundle>();
  const shelves = new Map<string, Bundles>();
  const shelfOf = (root: string) => {
    const shelf = shelves.get(root) ?? openBundles({ root, baseDirs: project.baseDirs, downloads: project.downloads });
    shelves.set(root, shelf);
    return shelf;
  };

  /** Those of `names` that are not bundled, and what their sources mention in turn: so that one call of esbuild does for all. */
  const unbundled = (names: readonly string[]): Source[] => {
    const found = new Map<string, Source>();
    const visit = (name: string) => {
      const source = catalogue.get(name);
      if (!source || found.has(name) || bundles.has(name)) return;
      found.set(name, source);
      for (const next of shelfOf(source.root).mentions(source.file)) visit(next);
    };
    for (const name of names) visit(name);
    return [...found.values()];
  };

  const bundle = async (sources: readonly Source[]) => {
    for (const root of new Set(sources.map((s) => s.root))) {
      const here = sources.filter((s) => s.root === root);
      const got = await shelfOf(root).get(here.map((s) => s.file));
      for (const s of here) bundles.set(s.name, got.get(s.file)!);
    }
  };

  return {
    bundles,
    ready: async (names) => {
      for (let sources = unbundled(names); sources.length > 0; ) {
        await bundle(sources);
        // Helpers can need() too, which only their bundles show.
        sources = unbundled(sources.flatMap((s) => bundles.get(s.name)!.mentions));
      }
    },
  };
}
