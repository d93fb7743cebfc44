/** A small RESP2 client: commands of one turn of the event loop leave in one write, replies come back in order. */
import { connect, type Socket } from "node:net";

export type Reply = string | number | null | readonly Reply[];

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class RedisClient {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #outgoing = "";
  #incoming = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => this.#receive(data));
    socket.on("close", () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error("redis has gone"));
    });
    socket.on("error", () => {});
  }

  static connect(path: string): Promise<RedisClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(new RedisClient(socket)));
      socket.once("error", reject);
    });
  }

  call(...words: readonly (string | number)[]): Promise<Reply> {
    if (this.#outgoing === "") setImmediate(() => this.#flush());
    this.#outgoing += `*${words.length}\r\n`;
    for (const word of words) {
      const text = String(word);
      this.#outgoing += `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    this.#socket.write(this.#outgoing);
    this.#outgoing = "";
  }

  #receive(data: Buffer): void {
    this.#incoming = this.#incoming.length > 0 ? Buffer.concat([this.#incoming, data]) : Buffer.from(data);
    let at = 0;
    for (;;) {
      const read = readReply(this.#incoming, at);
      if (read === null) break;
      at = read.end;
      const waiting = this.#waiting.shift()!;
      if (read.value instanceof Error) waiting.reject(read.value);
      else waiting.resolve(read.value);
    }
    this.#incoming = this.#incoming.subarray(at);
  }
}

/** Null when the reply is not all there yet. */
function readReply(bytes: Buffer, at: number): { readonly value: Reply | Error; readonly end: number } | null {
  const lineEnd = bytes.indexOf("\r\n", at);
  if (lineEnd < 0) return null;
  const line = bytes.toString("utf8", at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[at]!)) {
    case "+":
      return { value: line, end };
    case "-":
      return { value: new Error(line), end };
    case ":":
      return { value: Number(line), end };
    case "$": {
      const length = Number(line);
      if (length < 0) return { value: null, end };
      if (bytes.length < end + length + 2) return null;
      return { value: bytes.toString("utf8", end, end + length), end: end + length + 2 };
    }
    case "*":
      return readArray(bytes, Number(line), end);
    default:
      throw new Error(`redis said ${line}`);
  }
}

function readArray(bytes: Buffer, length: number, start: number) {
  if (length < 0) return { value: null, end: start };
  const values: Reply[] = [];
  let at = start;
  while (values.length < length) {
    const read = readReply(bytes, at);
    if (read === null) return null;
    values.push(read.value instanceof Error ? read.value.message : read.value);
    at = read.end;
  }
  return { value: values, end: at };
}
