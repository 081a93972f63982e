import { defineConfig } from "vitest/config";

// `make test` runs unit and real; `make test-long` runs the long counts alone. Real tests build whole systems: one file at a time.
export default defineConfig({
  test: {
    reporters: process.env.CI ? ["default", "json"] : ["default"],
    outputFile: { json: "out/test.json" },
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000 } },
      { test: { name: "real", include: ["test/real/**/*.test.ts"], testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false, maxConcurrency: 2, pool: "forks" } },
      { test: { name: "long", include: ["test/long/**/*.test.ts"], testTimeout: 7_200_000, hookTimeout: 600_000, fileParallelism: false, pool: "forks" } },
    ],
  },
});
