import { describe, expect, test } from "vitest";
import { callObject } from "../../src/edge/call.ts";
import { Refusal } from "../../src/edge/problem.ts";

/** The platform's errors carry what they mean as properties. */
const broken = (flags: object) => Object.assign(new Error("broken"), flags);

async function refusalOf(answer: Promise<unknown>): Promise<Refusal> {
  const error = await answer.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof Refusal) return error;
  throw new Error(`expected a refusal, got ${String(error)}`);
}

/** Stubs numbered as they are made; the call fails until one's number is `from`. */
function failingUntil(from: number, error: Error) {
  let made = 0;
  return {
    connect: () => ++made,
    call: (stub: number) => (stub >= from ? Promise.resolve(stub) : Promise.reject(error)),
    made: () => made,
  };
}

describe("a call to an object", () => {
  test("that broke is said once more over a new stub", async () => {
    const object = failingUntil(2, broken({ retryable: true }));
    expect(await callObject(object.connect, object.call)).toBe(2);
  });

  test("that broke twice is given up with advice to say it again", async () => {
    const object = failingUntil(9, broken({ retryable: true }));
    const refusal = await refusalOf(callObject(object.connect, object.call));
    expect(refusal.kind).toBe("unavailable");
    expect(refusal.extras.retryAfterMs).toBeGreaterThanOrEqual(1_000);
    expect(object.made()).toBe(2);
  });

  test("to one that is overloaded is not said again", async () => {
    const object = failingUntil(2, broken({ overloaded: true, retryable: true }));
    const refusal = await refusalOf(callObject(object.connect, object.call));
    expect(refusal.kind).toBe("overloaded");
    expect(object.made()).toBe(1);
  });

  test("that is never answered ends at its deadline, once", async () => {
    let made = 0;
    const silent = callObject(
      () => ++made,
      () => new Promise<never>(() => {}),
      5,
    );
    expect((await refusalOf(silent)).kind).toBe("unavailable");
    expect(made).toBe(1);
  });
});
