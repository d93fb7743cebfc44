/** Stands between the clients and the server, so that a connection can be cut without asking either. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Random } from "../random.ts";

export interface CuttingProxy {
  readonly url: string;
  /** Resets each connection with this probability; how many it were. */
  cut(share: number, random: Random): number;
  close(): void;
}

/** `port` is asked at every connection. */
export async function openCuttingProxy(port: () => number): Promise<CuttingProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((client) => {
    const upstream = connect(port(), "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [upstream, client] as const]) {
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut(share, random) {
      const unlucky = [...pairs].filter(() => random.next() < share);
      for (const [client, upstream] of unlucky) {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      }
      return unlucky.length;
    },
    close() {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}
