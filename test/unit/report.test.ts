import { PassThrough } from "node:stream";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Mistakes, UserError } from "../../lib/errors.ts";
import { formatBytes, formatTime } from "../../lib/format.ts";
import { createReport, renderErrors, type ReportOptions } from "../../lib/report.ts";

function capture(o: Partial<ReportOptions> & { tty?: boolean } = {}) {
  const streams = { stdout: new PassThrough(), stderr: Object.assign(new PassThrough(), { isTTY: o.tty === true, columns: 80 }) };
  const report = createReport({ ...streams, env: {}, quiet: false, verbose: false, json: false, ...o });
  return { report, stdout: () => String(streams.stdout.read() ?? ""), stderr: () => String(streams.stderr.read() ?? "") };
}

test("an error says where, what, the last lines and what to do", () => {
  const e = new UserError("x.y", "no package `libfoo` in trixie", {
    where: { file: join(process.cwd(), "base/ssh.ts"), line: 4, column: 1, scriptlet: "ssh" },
    details: "first line\nsecond line",
    hint: 'installDeb("libfoo2");',
  });
  expect(renderErrors(e)).toMatchInlineSnapshot(`
    "error: base/ssh.ts:4:1 (ssh): no package \`libfoo\` in trixie
      first line
      second line

    hint: installDeb("libfoo2");"
  `);
});

test("several mistakes are told at once, and a bug keeps its stack", () => {
  const text = renderErrors(new Mistakes([new UserError("a", "one"), new UserError("b", "two")]));
  expect(text).toBe("error: one\n\nerror: two");
  expect(renderErrors(new TypeError("x is not a function"))).toMatch(/^bug: TypeError: x is not a function\n {4}at .*report\.test\.ts/);
});

test("a stage is one plain line where there is no terminal, and no escape codes", () => {
  const { report, stderr } = capture();
  report.emit({ type: "stage-start", stage: "fetch" });
  report.emit({ type: "progress", stage: "fetch", done: 1, total: 2, unit: "bytes" });
  report.emit({ type: "stage-end", stage: "fetch", text: "2 .debs" });
  report.close();
  expect(stderr().replace(/\d+ ms/, "N ms")).toMatchInlineSnapshot(`
    "fetch         N ms  2 .debs
    "
  `);
});

test("a terminal gets a live line, which is gone when the stage ends", () => {
  const { report, stderr } = capture({ tty: true });
  report.emit({ type: "stage-start", stage: "fetch" });
  report.emit({ type: "progress", stage: "fetch", done: 50_000_000, total: 200_000_000, unit: "bytes" });
  const shown = stderr();
  expect(shown).toContain("fetch      ██████·················· 50.0 MB of 200 MB");
  report.emit({ type: "stage-end", stage: "fetch", text: "done" });
  expect(stderr()).toMatch(/^\r\x1b\[J/);
});

test("secrets are masked on every way out", () => {
  const { report, stdout, stderr } = capture({ mask: (t) => t.replaceAll("hunter2", "***") });
  report.data("password hunter2");
  report.error(new UserError("a", "hunter2 is wrong", { details: "hunter2" }));
  expect(stdout() + stderr()).not.toContain("hunter2");
});

test("figures", () => {
  expect([0, 999, 1000, 1234567, 807e6].map(formatBytes)).toEqual(["0 B", "999 B", "1.0 kB", "1.2 MB", "807 MB"]);
  expect([35.2, 4231, 125_000].map(formatTime)).toEqual(["35 ms", "4.2 s", "2 min 5 s"]);
});

test("devices have a line each: where there is no terminal, of how they ended", () => {
  const tell = (r: ReturnType<typeof capture>) => {
    r.report.emit({ type: "device", name: "gw1", state: "working", text: "connect …" });
    r.report.emit({ type: "device", name: "gw2", state: "working", text: "send …" });
    r.report.emit({ type: "device", name: "gw1", state: "done", text: "3 paths" });
    r.report.emit({ type: "device", name: "gw2", state: "failed", text: "`gw2` does not answer" });
    r.report.close();
    return r.stderr();
  };
  expect(tell(capture())).toBe("gw1        3 paths\ngw2        failed: `gw2` does not answer\n");
  expect(screen(tell(capture({ tty: true, env: { NO_COLOR: "1" } })))).toBe("gw1        3 paths\ngw2        failed: `gw2` does not answer\n");
  expect(tell(capture({ quiet: true }))).toBe("");
});

/** What stands on a terminal after it was sent that. */
function screen(sent: string): string {
  const lines = [""];
  let at = 0;
  for (const [, up, rest] of sent.matchAll(/\x1b\[(\d+)A|([^\x1b]|\x1b\[J)/g)) {
    if (up !== undefined) at -= Number(up);
    else if (rest === "\r") lines[at] = `\r${lines[at]!.replace("\r", "")}`;
    else if (rest === "\x1b[J") lines.splice(at, Infinity, "");
    else if (rest === "\n") lines[++at] ??= "";
    else lines[at] = `${lines[at]!.startsWith("\r") ? "" : lines[at]}${rest}`;
  }
  return lines.join("\n");
}
