// What debcast does when it is told to end: it ends with a status that says so, and with it the program that has its terminal.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";

const dir = mkdtempSync(join(tmpdir(), "signals-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Until `look` gives something; the test's own time limit ends it. */
async function soon<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** One that nobody has waited for is over as well. */
const isOver = (pid: string) => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

test.for([["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const)("%s", { timeout: 20_000 }, async ([signal, status]) => {
  const own = mkdtempSync(join(dir, "run-"));
  const said = join(own, "pid");
  mkdirSync(join(own, "conf"));
  writeFileSync(join(own, "ssh"), `#!/bin/sh\necho $$ > ${said}.new\nmv ${said}.new ${said}\nexec sleep 60\n`);
  chmodSync(join(own, "ssh"), 0o755);
  const child = spawn(process.execPath, [join(engineRoot, "bin/debcast"), "ssh", "-C", own, "root@192.0.2.7"], { env: { ...process.env, PATH: `${own}:${process.env.PATH}` }, stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const pid = await soon(() => (existsSync(said) ? readFileSync(said, "utf8").trim() : undefined));
  child.kill(signal);
  expect(await ended).toBe(status);
  await soon(() => isOver(pid) || undefined);
});
