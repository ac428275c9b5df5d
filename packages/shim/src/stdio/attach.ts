// The attach socket: where a daemon (or any program) takes a process' output live and feeds its input. docs/attach.md has the
// protocol. Runs in the shim, so clients come and go, and daemons die, without the process noticing.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Output, OutputStream } from './output.ts';
import type { Stdin } from './stdin.ts';

export interface AttachOptions {
  socket: string;
  /** Output goes out as it is, without frames. */
  terminal: boolean;
  stdinOnce: boolean;
  /** Seconds. */
  stall: number;
  /** Output that comes before the first client is its. */
  keep: boolean;
}

interface Kept {
  stream: OutputStream;
  frame: Buffer;
}

/** What a client asks for in its first line. */
interface Wish {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** Bytes that wait for a client before the process is held up. */
const HIGH_WATER = 1 << 20;
const MAX_FIRST_LINE = 4096;
/** Milliseconds for the first line, during which no output is read: a client loses nothing that is written after it connected. */
const HANDSHAKE_TIMEOUT = 1000;
/** Milliseconds that a client has to hang up once it has everything. */
const LINGER = 1000;
/** Milliseconds that output is kept for a first client. */
const KEPT_FOR = 10_000;
const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

export class AttachServer implements Output {
  readonly #options: AttachOptions;
  readonly #changed: () => void;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  #stdin: Stdin | undefined;
  #over = false;
  /** What waits for the first client; undefined when nothing does any more. */
  #kept: Kept[] | undefined;
  #keptBytes = 0;
  #keptFor: NodeJS.Timeout | undefined;

  /** Listens at once; `changed` as Output says. */
  constructor(options: AttachOptions, changed: () => void) {
    this.#options = options;
    this.#changed = changed;
    if (options.keep) {
      this.#kept = [];
      this.#keptFor = setTimeout(() => this.#giveKept(undefined), KEPT_FOR).unref();
    }
    const directory = dirname(options.socket);
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o711 });
    else if (existsSync(options.socket)) rmSync(options.socket);
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket)).listen(options.socket);
  }

  /** The process has an input; clients that asked for it feed it from now on. */
  connectStdin(stdin: Stdin): void {
    this.#stdin = stdin;
    for (const client of this.#clients) client.feed(stdin);
  }

  get full(): boolean {
    if (this.#keptBytes > HIGH_WATER) return true;
    for (const client of this.#clients) if (client.full) return true;
    return false;
  }

  write(stream: OutputStream, chunk: Buffer): void {
    if (this.#clients.size === 0 && !this.#kept) return;
    // One copy for all clients; a frame's header is stdcopy's: stream, three zeros, length.
    const header = this.#options.terminal ? 0 : 8;
    const frame = Buffer.allocUnsafe(header + chunk.length);
    if (header) {
      frame.writeUInt32BE(stream << 24, 0);
      frame.writeUInt32BE(chunk.length, 4);
    }
    frame.set(chunk, header);
    if (this.#kept) {
      this.#kept.push({ stream, frame });
      this.#keptBytes += frame.length;
      if (this.full) this.#changed();
      return;
    }
    for (const client of this.#clients) client.write(stream, frame);
  }

  end(_stream: OutputStream): void {
    // Clients stay until the process has exited: they may still feed its input.
  }

  /** No more output and no new clients; connected ones are hung up on when they have everything. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#keptFor);
    this.#server.close();
    if (existsSync(this.#options.socket)) rmSync(this.#options.socket, { force: true });
    for (const client of this.#clients) client.end();
  }

  /** The process is over: clients get their end, late ones get it at once. */
  finish(): void {
    this.#over = true;
    for (const client of this.#clients) client.end();
  }

  /** Resolves when the last client is gone. */
  async gone(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.gone));
  }

  /** To the first client, or, when none came in time, to nobody. */
  #giveKept(client: Client | undefined): void {
    const kept = this.#kept;
    if (!kept) return;
    clearTimeout(this.#keptFor);
    this.#kept = undefined;
    this.#keptBytes = 0;
    if (client) for (const { stream, frame } of kept) client.write(stream, frame);
    this.#changed();
  }

  #accept(socket: Socket): void {
    for (const client of this.#clients) client.probe();
    const client = new Client(socket, this.#options, {
      changed: () => this.#changed(),
      ready: () => {
        this.#giveKept(client);
        if (this.#stdin) client.feed(this.#stdin);
        if (this.#over) client.end();
      },
    });
    this.#clients.add(client);
    void client.gone.then(() => {
      this.#clients.delete(client);
      this.#changed();
    });
    this.#changed();
  }
}

class Client {
  /** Resolves when the connection is closed. */
  readonly gone: Promise<void>;
  readonly #socket: Socket;
  readonly #options: AttachOptions;
  readonly #events: { changed: () => void; ready: () => void };
  #wish: Wish | undefined;
  /** Output that came before the wish. */
  #before: Kept[] = [];
  #firstLine: Buffer | undefined = Buffer.alloc(0);
  #stdin: Stdin | undefined;
  /** Input that came before the process had one. */
  #early: Buffer[] = [];
  #inputEnded = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: AttachOptions, events: { changed: () => void; ready: () => void }) {
    this.#socket = socket;
    this.#options = options;
    this.#events = events;
    this.gone = new Promise((resolve) => socket.on('close', () => resolve()));
    const handshake = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT);
    this.#patience = handshake;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.#ended());
    socket.on('close', () => clearTimeout(this.#patience));
  }

  /** Also while the first line is missing: what is written meanwhile may be meant for this client. */
  get full(): boolean {
    return !this.#socket.destroyed && (this.#wish === undefined || this.#socket.writableLength > HIGH_WATER);
  }

  write(stream: OutputStream, frame: Buffer): void {
    if (!this.#socket.writable) return;
    if (!this.#wish) {
      // Of a process that is over already: as long as it lives nothing is read until the line is here.
      this.#before.push({ stream, frame });
      return;
    }
    if (stream === 1 ? !this.#wish.stdout : !this.#wish.stderr) return;
    this.#socket.write(frame);
    if (this.#socket.writableLength > HIGH_WATER) {
      this.#patience ??= setTimeout(() => this.#socket.destroy(), this.#options.stall * 1000).unref();
    }
  }

  feed(stdin: Stdin): void {
    this.#stdin = stdin;
    if (this.#early.length > 0) this.#socket.resume();
    for (const chunk of this.#early.splice(0)) stdin.feed(this.#socket, chunk);
    if (this.#inputEnded && this.#wish?.stdin && this.#options.stdinOnce) stdin.close();
  }

  /**
   * A client that ended its input may wait for output, or have hung up: the kernel tells the two apart at the next write, even of
   * nothing. Without this, clients that come and go would pile up while a process is silent.
   */
  probe(): void {
    if (this.#inputEnded && this.#socket.writable) this.#socket.write(NOTHING);
  }

  end(): void {
    if (!this.#wish) return; // ready() comes here again
    if (!this.#wish.stdin && this.#socket.writableLength === 0) {
      // Everything is with the client, and nothing of it is awaited: a close is with it at once, a half-close in the next turn.
      this.#socket.destroy();
      return;
    }
    this.#socket.end();
    // To close with input unread would reach the client as a reset: read it away, but not for ever.
    this.#socket.resume();
    if (this.#inputEnded) return;
    this.#socket.once('finish', () => {
      clearTimeout(this.#patience);
      this.#patience = setTimeout(() => this.#socket.destroy(), LINGER);
    });
  }

  #receive(chunk: Buffer): void {
    if (!this.#firstLine) {
      this.#input(chunk);
      return;
    }
    const got = Buffer.concat([this.#firstLine, chunk]);
    const newline = got.indexOf(NEWLINE);
    if (newline < 0) {
      this.#firstLine = got;
      if (got.length > MAX_FIRST_LINE) this.#socket.destroy();
      return;
    }
    this.#firstLine = undefined;
    try {
      const asked = JSON.parse(got.toString('utf8', 0, newline)) as Partial<Wish>;
      this.#wish = { stdin: asked.stdin === true, stdout: asked.stdout === true, stderr: asked.stderr === true };
    } catch {
      this.#socket.destroy();
      return;
    }
    clearTimeout(this.#patience);
    this.#patience = undefined;
    for (const { stream, frame } of this.#before.splice(0)) this.write(stream, frame);
    if (newline + 1 < got.length) this.#input(got.subarray(newline + 1));
    this.#events.ready();
    this.#events.changed();
  }

  #input(chunk: Buffer): void {
    if (!this.#wish?.stdin) return;
    if (this.#stdin) this.#stdin.feed(this.#socket, chunk);
    else {
      this.#early.push(chunk);
      this.#socket.pause();
    }
  }

  #ended(): void {
    this.#inputEnded = true;
    if (this.#wish?.stdin && this.#options.stdinOnce) this.#stdin?.close();
    // With nothing to send there is no reason to keep a half-open connection.
    if (!this.#wish || (!this.#wish.stdout && !this.#wish.stderr)) this.#socket.end();
    else this.probe();
  }

  #drained(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#events.changed();
  }
}
