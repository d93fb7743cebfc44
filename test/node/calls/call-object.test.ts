import { describe, expect, test } from "vitest";
import {
  type CallLimits,
  callObject,
  callOrNull,
  DeadlinePassed,
  withDeadline,
} from "../../../src/calls/call-object.ts";

const LIMITS: CallLimits = { deadlineMs: 1_000, attempts: 2, repeatSilence: false };

/** The platform's errors carry what they mean as properties. */
const broken = (flags: object) => Object.assign(new Error("broken"), flags);
const silence = () => new Promise<never>(() => {});

/** An object whose calls fail until this many were made. */
function failingUntil(works: number, error: Error) {
  let made = 0;
  const call = () => (++made >= works ? Promise.resolve(made) : Promise.reject(error));
  return { call, made: () => made };
}

describe("a call to an object", () => {
  test("that broke is said once more", async () => {
    const object = failingUntil(2, broken({ retryable: true }));
    expect(await callObject(object.call, LIMITS)).toEqual({ outcome: "answered", answer: 2 });
  });

  test("that broke at every attempt is given up with the last error", async () => {
    const error = broken({ retryable: true });
    const object = failingUntil(9, error);
    expect(await callObject(object.call, LIMITS)).toEqual({ outcome: "failed", error });
    expect(object.made()).toBe(2);
  });

  test("to one that is overloaded is not said again", async () => {
    const object = failingUntil(2, broken({ overloaded: true, retryable: true }));
    expect(await callObject(object.call, LIMITS)).toMatchObject({ outcome: "overloaded" });
    expect(await callOrNull(failingUntil(2, broken({ overloaded: true })).call, LIMITS)).toBe(null);
    expect(object.made()).toBe(1);
  });

  test("that is never answered ends at its deadline, once where somebody waits and again where nobody does", async () => {
    let made = 0;
    const call = () => {
      made++;
      return silence();
    };
    const reply = await callObject(call, { ...LIMITS, deadlineMs: 5 });
    expect(reply).toMatchObject({ outcome: "failed", error: expect.any(DeadlinePassed) });
    expect(made).toBe(1);
    expect(await callOrNull(call, { deadlineMs: 5, attempts: 3 })).toBe(null);
    expect(made).toBe(4);
  });

  test("that throws before it is under way counts as broken", async () => {
    const call = () => {
      throw new Error("no such object");
    };
    expect(await callOrNull(call, { deadlineMs: 5, attempts: 1 })).toBe(null);
  });
});

test("a deadline passes an answer and an error on, and says of itself what it is", async () => {
  expect(await withDeadline(Promise.resolve("word"), 1_000)).toBe("word");
  await expect(withDeadline(Promise.reject(new Error("mine")), 1_000)).rejects.toThrow("mine");
  await expect(withDeadline(silence(), 5)).rejects.toBeInstanceOf(DeadlinePassed);
});
