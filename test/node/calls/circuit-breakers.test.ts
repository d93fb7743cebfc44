import { expect, test } from "vitest";
import { CIRCUITS, CircuitBreakers, FAILURES, OPEN_MS, WINDOW_MS } from "../../../src/calls/circuit-breakers.ts";

const ILL = "cell:dr5ru";
const NOW = 1_000_000;

/** Opened by failures at this moment. */
function opened(at = NOW): CircuitBreakers {
  const circuits = new CircuitBreakers();
  for (let i = 0; i < FAILURES; i++) circuits.failed(ILL, at, at);
  return circuits;
}

test("[V6] five failures within ten seconds keep callers away from one object for two, and from no other", () => {
  const circuits = new CircuitBreakers();
  for (let i = 1; i <= FAILURES; i++) {
    expect(circuits.admits(ILL, NOW + i)).toBe(true);
    circuits.failed(ILL, NOW + i, NOW + i);
  }
  expect(circuits.admits(ILL, NOW + FAILURES)).toBe(false);
  expect(circuits.admits(ILL, NOW + FAILURES + OPEN_MS - 1)).toBe(false);
  expect(circuits.admits("cell:dr5rv", NOW + FAILURES)).toBe(true);
  expect([FAILURES, WINDOW_MS, OPEN_MS]).toEqual([5, 10_000, 2_000]);
});

test("[V6] failures further apart than that, or made good by as many answers, keep nobody away", () => {
  const slow = new CircuitBreakers();
  const mixed = new CircuitBreakers();
  for (let i = 0; i < 20; i++) {
    const at = NOW + (i * WINDOW_MS) / (FAILURES - 1);
    slow.failed(ILL, at, at);
    expect(slow.admits(ILL, at)).toBe(true);
    mixed.failed(ILL, NOW, NOW);
    mixed.answered(ILL, NOW);
    expect(mixed.admits(ILL, NOW)).toBe(true);
  }
  expect(mixed.size).toBe(0);
});

test("[V6] an object that answers one call of three is still ill", () => {
  const circuits = new CircuitBreakers();
  for (let i = 0; i < FAILURES; i++) {
    circuits.failed(ILL, NOW, NOW);
    circuits.failed(ILL, NOW, NOW);
    circuits.answered(ILL, NOW);
  }
  expect(circuits.admits(ILL, NOW)).toBe(false);
});

test("[V6] then one call is the probe, and its answer lets everybody through", () => {
  const circuits = opened();
  expect(circuits.admits(ILL, NOW + OPEN_MS)).toBe(true);
  expect(circuits.admits(ILL, NOW + OPEN_MS)).toBe(false);
  circuits.answered(ILL, NOW + OPEN_MS);
  expect(circuits.admits(ILL, NOW + OPEN_MS + 1)).toBe(true);
  expect(circuits.size).toBe(0);
});

test("[V6] a probe that fails keeps everybody away as long again, and one never heard of makes room for the next", () => {
  const failed = opened();
  expect(failed.admits(ILL, NOW + OPEN_MS)).toBe(true);
  failed.failed(ILL, NOW + OPEN_MS, NOW + OPEN_MS + 1_500);
  expect(failed.admits(ILL, NOW + OPEN_MS + 1_500 + OPEN_MS - 1)).toBe(false);
  expect(failed.admits(ILL, NOW + OPEN_MS + 1_500 + OPEN_MS)).toBe(true);
  const lost = opened();
  expect(lost.admits(ILL, NOW + OPEN_MS)).toBe(true);
  expect(lost.admits(ILL, NOW + 2 * OPEN_MS - 1)).toBe(false);
  expect(lost.admits(ILL, NOW + 2 * OPEN_MS)).toBe(true);
});

test("[V6] what comes of calls said before it opened neither opens the door nor holds it shut", () => {
  const circuits = opened();
  circuits.answered(ILL, NOW - 1);
  expect(circuits.admits(ILL, NOW + 1)).toBe(false);
  circuits.failed(ILL, NOW - 1, NOW + OPEN_MS - 1);
  expect(circuits.admits(ILL, NOW + OPEN_MS)).toBe(true);
});

test("[V6] only so many ill objects are remembered", () => {
  const circuits = opened();
  for (let i = 0; i < CIRCUITS; i++) circuits.failed(`cell:${i}`, NOW, NOW);
  expect(circuits.size).toBe(CIRCUITS);
  expect(circuits.admits(ILL, NOW)).toBe(true);
});
