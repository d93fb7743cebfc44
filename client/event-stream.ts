/** Server-sent events, read from a fetch response as they come (WHATWG HTML, 9.2). */

export interface StreamEvent {
  readonly type: string;
  readonly id: string | null;
  readonly data: string;
  /** How long to wait before asking again, where the server has said so; it may come without data. */
  readonly retryMs: number | null;
}

/** Ends when the stream ends; throws when the connection breaks. Comments and unknown fields are skipped. */
export async function* readEventStream(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true }).replaceAll("\r\n", "\n");
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = parseEvent(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parseEvent(block: string): StreamEvent | null {
  let type = "message";
  let id: string | null = null;
  let retryMs: number | null = null;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
    else if (field === "retry" && /^\d+$/.test(value)) retryMs = Number(value);
  }
  return data.length > 0 || retryMs !== null ? { type, id, data: data.join("\n"), retryMs } : null;
}
