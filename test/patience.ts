/**
 * For `vi.waitFor` and `expect.poll`: how long a test waits for what must come. It is spent only where the test is about
 * to fail, so it is long enough for a machine that has much else to do.
 */
export const PATIENTLY = { timeout: 60_000, interval: 50 };
