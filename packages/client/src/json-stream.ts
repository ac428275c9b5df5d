// Concatenated JSON values, as pull, push, build, load and events stream them: usually one a line, but a value may also follow
// another with nothing between, and a chunk may end anywhere.

/** Splits text into the JSON objects it holds; `feed` returns those that are complete. */
export class JsonSplitter {
  #pending = '';
  #depth = 0;
  #inString = false;
  #escaped = false;
  #scanned = 0;

  feed(text: string): unknown[] {
    this.#pending += text;
    const values: unknown[] = [];
    let start = 0;
    for (let at = this.#scanned; at < this.#pending.length; at++) {
      const character = this.#pending.charCodeAt(at);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (character === 0x5c) this.#escaped = true;
        else if (character === 0x22) this.#inString = false;
      } else if (character === 0x22) this.#inString = true;
      else if (character === 0x7b || character === 0x5b) {
        // Whatever stood before the value (a newline, the record separator of json-seq) is not part of it.
        if (this.#depth++ === 0) start = at;
      } else if (character === 0x7d || character === 0x5d) {
        this.#depth--;
        if (this.#depth === 0) {
          values.push(JSON.parse(this.#pending.slice(start, at + 1)));
          start = at + 1;
        }
      }
    }
    this.#pending = this.#pending.slice(start);
    this.#scanned = this.#pending.length;
    return values;
  }
}

/** The values of a response body, as they arrive. */
export async function* jsonValues<T>(body: NodeJS.ReadableStream): AsyncGenerator<T> {
  const splitter = new JsonSplitter();
  const decoder = new TextDecoder();
  for await (const chunk of body) yield* splitter.feed(decoder.decode(chunk as Uint8Array, { stream: true })) as T[];
}
