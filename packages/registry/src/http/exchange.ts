// One request and its answer. Reading a body is guarded against clients that send too much or too slowly; answering one that has not
// been read to its end closes the connection, since what follows on it is not a request.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '../problem.ts';

export interface BodyLimits {
  /** A body that brings less than `bytes` in `milliseconds` ends with its connection. */
  slowest: { bytes: number; milliseconds: number };
}

export const DEFAULT_LIMITS: BodyLimits = { slowest: { bytes: 16 * 1024, milliseconds: 30_000 } };
/** A body that is refused is read on this far, so that the client gets to see the answer. */
const DISCARD_BYTES = 8 * 1024 * 1024;
const DISCARD_MS = 5_000;

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Aborted when the client leaves before it was answered. */
  readonly signal: AbortSignal;
  readonly #limits: BodyLimits;
  #continued = false;

  constructor(request: IncomingMessage, response: ServerResponse, limits: BodyLimits) {
    this.request = request;
    this.response = response;
    this.#limits = limits;
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    this.path = path;
    this.query = new URLSearchParams(query);
    // A connection that breaks is seen by whoever reads or writes; an event that nobody listens to would end the server.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const gone = new AbortController();
    this.signal = gone.signal;
    response.once('close', () => {
      if (!response.writableFinished) gone.abort(new Error('the client has left'));
    });
  }

  get method(): string {
    return this.request.method ?? 'GET';
  }

  get isHead(): boolean {
    return this.method === 'HEAD';
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** Of the Content-Length header; undefined when the body comes in chunks or there is none. */
  get contentLength(): number | undefined {
    const text = this.header('content-length');
    return text === undefined ? undefined : Number(text);
  }

  /** The body as it arrives. Its connection is ended when it is too slow. */
  async *body(): AsyncGenerator<Buffer, void, undefined> {
    if (this.header('expect')?.toLowerCase() === '100-continue' && !this.#continued) {
      this.#continued = true;
      this.response.writeContinue();
    }
    const { bytes, milliseconds } = this.#limits.slowest;
    let received = 0;
    let before = 0;
    const watch = setInterval(() => {
      if (received - before < bytes) this.interrupt();
      before = received;
    }, milliseconds);
    try {
      for await (const chunk of this.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        received += chunk.length;
        yield chunk;
      }
    } finally {
      clearInterval(watch);
    }
  }

  /** The whole body; 413 when it is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    const tooLarge = () => new Problem('SIZE_INVALID', `the body is larger than the ${limit} bytes that are allowed`, { status: 413 });
    if ((this.contentLength ?? 0) > limit) throw tooLarge();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.body()) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  }

  /** Ends the connection without an answer. */
  interrupt(): void {
    this.request.destroy();
  }

  json(status: number, document: unknown, headers: Record<string, string> = {}): void {
    this.text(status, JSON.stringify(document), { 'content-type': 'application/json', ...headers });
  }

  text(status: number, text: string | Buffer, headers: Record<string, string | number> = {}): void {
    this.head(status, { ...headers, 'content-length': Buffer.byteLength(text) });
    this.end(this.isHead ? undefined : text);
  }

  empty(status: number, headers: Record<string, string | number> = {}): void {
    this.head(status, { ...headers, ...(status === 204 || status === 304 ? {} : { 'content-length': 0 }) });
    this.end();
  }

  head(status: number, headers: Record<string, string | number>): void {
    this.response.writeHead(status, { ...headers, ...(this.#isUnread ? { connection: 'close' } : {}) });
  }

  /**
   * The answer is whole. A body that was not wanted is read and forgotten for a while first: a connection that closes on it at once
   * takes the answer with it.
   */
  end(last?: string | Buffer): void {
    if (!this.#isUnread) {
      this.response.end(last);
      return;
    }
    if (last === undefined) this.response.flushHeaders();
    else this.response.write(last);
    void this.#discard().then(() => this.response.end());
  }

  problem(problem: Problem): void {
    if (this.response.headersSent) {
      // Too late for an answer: a connection that ends early is how the client learns.
      this.response.destroy();
      return;
    }
    this.text(problem.status, problem.document, { 'content-type': 'application/json', ...problem.headers });
  }

  async #discard(): Promise<void> {
    let left = DISCARD_BYTES;
    const late = setTimeout(() => this.interrupt(), DISCARD_MS);
    try {
      for await (const chunk of this.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        left -= chunk.length;
        if (left < 0) this.interrupt();
      }
    } catch {
      // The connection is gone, by us or by the client.
    } finally {
      clearTimeout(late);
    }
  }

  get #isUnread(): boolean {
    const hasBody = this.request.headers['transfer-encoding'] !== undefined || (this.contentLength ?? 0) > 0;
    return hasBody && !this.request.complete;
  }
}
