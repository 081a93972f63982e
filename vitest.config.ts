import { BaseSequencer, type TestSpecification } from "vitest/node";
import { defineConfig } from "vitest/config";

/** Those of real that take longest, begun first: whoever ends alone leaves a processor idle. */
const longest = ["root-modes", "oracle", "push", "boot-test", "disk", "bench", "layers", "layer-keys", "stick", "kill", "image"];

/** What looks at the whole machine. */
const alone = ["test/real/host-unchanged.test.ts"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const i = longest.findIndex((name) => moduleId.endsWith(`/real/${name}.test.ts`));
      return i === -1 ? longest.length : i;
    };
    return files.toSorted((a, b) => rank(a) - rank(b));
  }
}

const slow = { testTimeout: 600_000, hookTimeout: 600_000, pool: "forks" } as const;

// `make test` runs unit, real and alone; `make test-long` runs the long counts. Real tests build whole systems or start them, which
// is work for one processor and a half: two files at a time, and nothing else.
export default defineConfig({
  test: {
    reporters: process.env.CI ? ["default", "json"] : ["default"],
    outputFile: { json: "out/test.json" },
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000, sequence: { groupOrder: 0 } } },
      { test: { name: "real", include: ["test/real/**/*.test.ts"], exclude: alone, ...slow, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      { test: { name: "alone", include: alone, ...slow, fileParallelism: false, sequence: { groupOrder: 2 } } },
      { test: { name: "long", include: ["test/long/**/*.test.ts"], ...slow, testTimeout: 7_200_000, fileParallelism: false, sequence: { groupOrder: 3 } } },
    ],
  },
});
