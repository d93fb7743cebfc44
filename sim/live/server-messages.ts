/** What the server process and its parent say to each other, over Node's own channel between them. */

export interface ServerSetting {
  /** A folder made by build-worker.ts. */
  readonly workerDir: string;
  readonly stateDir: string;
  /** Begin with nothing; false takes up where the state left off. */
  readonly fresh: boolean;
  /** 0 takes a free one. */
  readonly port: number;
  /** Override the variables of wrangler.toml. */
  readonly vars: Readonly<Record<string, string>>;
}

export type ToServer =
  | { readonly type: "start"; readonly setting: ServerSetting }
  | { readonly type: "query"; readonly id: number; readonly sql: string; readonly values: readonly (string | number)[] }
  /** Ends one object in the middle of what it does; its sockets close, or sleep on without it. */
  | {
      readonly type: "evict";
      readonly className: string;
      readonly objectId: string;
      readonly webSockets: "close" | "hibernate";
    }
  /** Puts events into the queue that it has delivered before. */
  | { readonly type: "repeat"; readonly events: readonly unknown[] }
  | { readonly type: "stop" };

export type FromServer =
  | { readonly type: "ready"; readonly url: string; readonly runtimePid: number }
  | { readonly type: "failed"; readonly reason: string }
  /** workerd died and is back, on the same port and state. */
  | { readonly type: "restarted"; readonly runtimePid: number }
  | { readonly type: "logged"; readonly level: string; readonly message: string }
  | { readonly type: "rows"; readonly id: number; readonly rows: readonly unknown[] }
  | { readonly type: "query.failed"; readonly id: number; readonly reason: string };
