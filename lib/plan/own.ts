// What a scriptlet calls its own: what lies in its project, with it, or in debcast. What a link leads to elsewhere is nobody's input.
import { realpathSync } from "node:fs";
import { engineRoot } from "../engine.ts";
import { isBelow } from "../rootfs/paths.ts";
import type { Plan, PlannedScriptlet } from "./plan.ts";

/** Whether a path that is there leads to something of the scriptlet's own. */
export function isOwn(plan: Pick<Plan, "project">, s: Pick<PlannedScriptlet, "folder">, path: string): boolean {
  const real = realPathOf(path);
  return real !== undefined && [plan.project.dir, engineRoot, s.folder].some((dir) => {
    const own = realPathOf(dir);
    return own !== undefined && isBelow(real, own);
  });
}

/** undefined where nothing is, where links lead in circles, and where we may not look. */
function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
