/** Ends `npm test` with one line that says how it went. */
import type { Reporter, TestModule } from "vitest/node";

export default class LastLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== "pending") count[state] += 1;
      }
    }
    const broken = modules.filter((module) => module.state() === "failed").length;
    const bad = count.failed > 0 || broken > 0 || errors.length > 0;
    const details = bad ? `, ${broken} files with failures, ${errors.length} errors outside tests` : "";
    // Other reporters write at the end of the run too; this comes after all of them.
    process.once("exit", () => {
      const { passed, failed, skipped } = count;
      console.log(
        `npm test: ${bad ? "FAILED" : "passed"}: ${passed} passed, ${failed} failed, ${skipped} skipped${details}`,
      );
    });
  }
}
