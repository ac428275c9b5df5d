// A reverse proxy before a real registry that misbehaves as a test says: answers with errors, breaks off, lies, trickles, or is gone.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Fault =
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: string }
  /** The connection breaks after so many bytes of the body; the registry, too, when it dies of it. */
  | { kind: 'break'; after: number; deadly?: boolean }
  /** The body ends properly, and too early. */
  | { kind: 'truncate'; at: number }
  /** One bit of the body is another. */
  | { kind: 'flip'; at: number }
  /** A byte every so many milliseconds, of the head or of the body, and no end. */
  | { kind: 'drip'; what: 'head' | 'body'; every: number }
  /** The request is read and nothing answered. */
  | { kind: 'silence' }
  /** A body without end. */
  | { kind: 'flood'; status: number };

export interface Seen {
  method: string;
  path: string;
  range: string | undefined;
}

export class FaultyRegistry implements AsyncDisposable {
  /** What happens to a request; undefined lets it pass. `count` is how often this path was asked for before. */
  fault: (seen: Seen, count: number) => Fault | undefined = () => undefined;
  readonly seen: Seen[] = [];
  readonly #upstream: string;
  readonly #server: Server;
  readonly #timers = new Set<NodeJS.Timeout>();
  #port = 0;

  private constructor(upstream: string) {
    this.#upstream = upstream;
    this.#server = createServer((incoming, answer) => this.#serve(incoming, answer));
  }

  /** `upstream`: the real registry's host and port. */
  static async start(upstream: string): Promise<FaultyRegistry> {
    const registry = new FaultyRegistry(upstream);
    await registry.comeBack();
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get ranges(): string[] {
    return this.seen.flatMap(({ path, range }) => (path.includes('/blobs/') && range !== undefined ? [range] : []));
  }

  /** Breaks every connection and listens no more. */
  async die(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async comeBack(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
  }

  #serve(incoming: IncomingMessage, answer: ServerResponse): void {
    const seen = { method: incoming.method ?? '', path: incoming.url ?? '', range: incoming.headers.range };
    const count = this.seen.filter(({ method, path }) => method === seen.method && path === seen.path).length;
    this.seen.push(seen);
    const fault = this.fault(seen, count);
    answer.on('error', () => {});
    switch (fault?.kind) {
      case 'silence':
        incoming.resume();
        return;
      case 'status':
        incoming.resume();
        answer.writeHead(fault.status, fault.headers).end(fault.body ?? '');
        return;
      case 'flood':
        answer.writeHead(fault.status);
        this.#every(answer, 0, () => answer.write(Buffer.alloc(1 << 16)));
        return;
      case 'drip':
        if (fault.what === 'head') {
          answer.socket?.write('HTTP/1.1 200 OK\r\nX-Slow: ');
          this.#every(answer, fault.every, () => answer.socket?.write('x'));
        } else {
          answer.writeHead(200, { 'content-type': 'application/octet-stream' });
          this.#every(answer, fault.every, () => answer.write('x'));
        }
        return;
      default:
        this.#pass(incoming, answer, fault);
    }
  }

  #every(answer: ServerResponse, milliseconds: number, send: () => unknown): void {
    const timer = setInterval(send, milliseconds);
    this.#timers.add(timer);
    answer.on('close', () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    });
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse, fault: Fault | undefined): void {
    const [host, port] = this.#upstream.split(':') as [string, string];
    const onward = request({ host, port, method: incoming.method, path: incoming.url, headers: incoming.headers }, (real) => {
      const total = Number(real.headers['content-length'] ?? 0);
      const end = fault?.kind === 'truncate' ? Math.min(fault.at, total) : total;
      const headers = fault?.kind === 'truncate' ? { ...real.headers, 'content-length': String(end) } : real.headers;
      answer.writeHead(real.statusCode ?? 502, headers);
      let sent = 0;
      real.on('data', (chunk: Buffer) => {
        if (answer.destroyed) return;
        const start = sent;
        sent += chunk.length;
        if (fault?.kind === 'flip' && start <= fault.at && fault.at < sent)
          chunk[fault.at - start] = (chunk[fault.at - start] as number) ^ 1;
        if (fault?.kind === 'break' && sent >= fault.after) {
          answer.write(chunk.subarray(0, Math.max(0, fault.after - start)), () => {
            answer.destroy();
            if (fault.deadly) void this.die();
          });
          real.destroy();
          return;
        }
        if (start < end && !answer.write(chunk.subarray(0, end - start))) {
          real.pause();
          answer.once('drain', () => real.resume());
        }
      });
      real.on('end', () => answer.end());
      real.on('error', () => answer.destroy());
    });
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  }
}
