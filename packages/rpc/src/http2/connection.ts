// The server's side of one HTTP/2 connection (RFC 9113) for whoever serves its streams. The client may be anybody: whatever it sends costs
// bounded time and memory, and ends at worst its own connection.
import type { Socket } from 'node:net';
import { toEngineError } from '@berth/errdefs/engine-error';
import { ErrorCode, FIRST_WINDOW, Flag, FrameReader, FrameType, MAX_FRAME, MAX_WINDOW, Setting, Violation } from './frames.ts';
import { HeaderDecoder, MAX_HEADER_LIST, NO_TABLE } from './hpack.ts';
import { Outbox } from './outbox.ts';
import { expect, type Headers, protocol, request, unpadded } from './request.ts';
import { type Carrier, type Receiver, Stream } from './stream.ts';
import { MAX_STREAMS, type Welcome } from './welcome.ts';

/** A header block in its encoding; each further frame of it counts as so many bytes more. */
const MAX_BLOCK = MAX_HEADER_LIST;
const CONTINUATION = 1024;
/** Bytes that wait for the client in the socket before streams are held back, and before it is heard no more. */
const SEND_AHEAD = 256 * 1024;
const DEAF = 4 * 1024 * 1024;
/** Bytes that are kept for one client on all its streams: what it does not read, and what nobody has read of it. */
const MAX_HELD = 512 * 1024 * 1024;
/**
 * What a client may do for which nobody thanks it, such as PING: so many at once, so many in each second, and one for each frame of data it
 * is sent, which grpc-go answers with a PING. A stream that is given up costs more.
 */
const PATIENCE = 10_000;
const PATIENCE_A_MILLISECOND = 5;
const GIVEN_UP = 10;
/** Milliseconds that an acknowledgement waits for company, and how many bytes of them do. */
const ACKNOWLEDGE = 5;
const MAX_ACKNOWLEDGEMENTS = 1024;
/** Milliseconds that a client has to read why it is hung up on. */
const LAST_WORDS = 1000;

export type Open = (stream: Stream, headers: Headers) => Receiver | undefined;

export class Connection implements Carrier {
  readonly outbox = new Outbox();
  readonly window: number;
  readonly #socket: Socket;
  readonly #open: Open;
  readonly #reader = new FrameReader((type, flags, stream, payload) => this.#frame(type, flags, stream, payload));
  readonly #decoder = new HeaderDecoder();
  readonly #streams = new Map<number, Stream>();
  /** Streams that could send. */
  readonly #ready = new Set<Stream>();
  /** Streams that are over, but are worked for. */
  #orphans = 0;
  #last = 0;
  #settled = false;
  #leaving = false;
  #over = false;
  /** What may be sent on all streams, and on a new one. */
  #room = FIRST_WINDOW;
  #initial = FIRST_WINDOW;
  /** What the client may send on all streams, and what of that is used up. */
  #credit: number;
  #owed = 0;
  #held = 0;
  #block: { stream: number; last: boolean; parts: Buffer[]; size: number } | undefined;
  #answered = false;
  #scheduled = false;
  #acknowledging: NodeJS.Timeout | undefined;
  #receiving = false;
  #patience = PATIENCE;
  #patientAt = performance.now();

  constructor(socket: Socket, { window, greeting }: Welcome, open: Open) {
    this.#socket = socket;
    this.#open = open;
    this.window = window;
    this.#credit = window;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => {
      if (socket.isPaused()) socket.resume();
      if (this.#ready.size > 0) this.schedule();
    });
    socket.on('end', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => this.#end('the client disconnected'));
    // Go's clients send nothing before they have read it.
    socket.write(greeting);
  }

  /** Takes no new streams, and hangs up after the last one. */
  leave(): void {
    if (this.#leaving || this.#over) return;
    this.#leaving = true;
    this.#goaway(ErrorCode.none, '');
    this.schedule();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#end('the server is stopping');
  }

  /** What one turn of the event loop sends leaves in one write: each write may wake the peer, who then waits for the next. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (!this.#receiving) this.#flushLater();
  }

  /**
   * An acknowledgement leaves with what is sent next, or alone in a moment: a write of its own would wake the client for nothing. grpc-go asks
   * after all data that it gets, once the last PING is answered.
   */
  #acknowledge(): void {
    if (this.outbox.length > MAX_ACKNOWLEDGEMENTS) this.schedule();
    else this.#acknowledging ??= setTimeout(() => this.schedule(), ACKNOWLEDGE).unref();
  }

  #flushLater(): void {
    // After the promises that are settled now, whose continuations may have more to send.
    queueMicrotask(() => process.nextTick(() => this.#flush()));
  }

  ready(stream: Stream): void {
    this.#ready.add(stream);
    this.schedule();
  }

  header(stream: number, block: Uint8Array, last: boolean): void {
    const whole = this.#answered ? block : Buffer.concat([NO_TABLE, block]);
    this.#answered = true;
    let type: number = FrameType.headers;
    for (let at = 0; at === 0 || at < whole.length; at += MAX_FRAME) {
      const end = at + MAX_FRAME >= whole.length ? Flag.endHeaders : 0;
      this.outbox.frame(type, at === 0 && last ? end | Flag.endStream : end, stream, whole.subarray(at, at + MAX_FRAME));
      type = FrameType.continuation;
    }
    this.schedule();
  }

  hold(bytes: number): void {
    this.#held += bytes;
    if (this.#held > MAX_HELD) this.#fail(new Violation(ErrorCode.calm, 'too much waits for this client'));
  }

  over(stream: Stream): void {
    if (this.#streams.get(stream.id) === stream) {
      this.#streams.delete(stream.id);
      this.#ready.delete(stream);
      if (stream.busy) this.#orphans++;
      if (this.#leaving) this.schedule();
    } else this.#orphans--;
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#receiving = true;
    try {
      this.#reader.push(chunk);
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#receiving = false;
    if (!this.#scheduled) return;
    this.#pump();
    // All that was asked is answered: nobody's continuation will have more to send.
    if (this.#streams.size === 0) this.#flush();
    else this.#flushLater();
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#over) return;
    if (!this.#settled && (type !== FrameType.settings || flags & Flag.ack)) throw protocol('the first frame is not SETTINGS');
    if (this.#block && (type !== FrameType.continuation || id !== this.#block.stream)) throw protocol('a header block that is not ended');
    switch (type) {
      case FrameType.data:
        this.#data(flags, id, payload);
        return;
      case FrameType.headers:
        this.#headers(flags, id, payload);
        return;
      case FrameType.continuation:
        this.#continuation(flags, payload);
        return;
      case FrameType.settings:
        this.#settings(flags, id, payload);
        return;
      case FrameType.window:
        this.#widen(id, expect(payload, 4, 'WINDOW_UPDATE').readUInt32BE() & MAX_WINDOW);
        return;
      case FrameType.ping:
        expect(payload, 8, 'PING');
        if (id !== 0) throw protocol('PING on a stream');
        this.#spend(1);
        if (flags & Flag.ack) return;
        this.outbox.frame(FrameType.ping, Flag.ack, 0, payload);
        this.#acknowledge();
        return;
      case FrameType.reset:
        expect(payload, 4, 'RST_STREAM');
        this.#spend(this.#streams.has(id) ? GIVEN_UP : 1);
        this.#known(id)?.abandon(undefined, 'the client gave the call up');
        return;
      case FrameType.priority:
        expect(payload, 5, 'PRIORITY');
        if (id === 0) throw protocol('PRIORITY of no stream');
        this.#spend(1);
        return;
      case FrameType.goaway:
        if (id !== 0) throw protocol('GOAWAY on a stream');
        this.#spend(1);
        return;
      case FrameType.push:
        throw protocol('a client that pushes');
      default:
        this.#spend(1);
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    const stream = this.#known(id);
    if (payload.length > this.#credit) throw new Violation(ErrorCode.flowControl, 'more data than the window holds');
    this.#credit -= payload.length;
    this.#owed += payload.length;
    // Each stream has its own window for what nobody reads; here only those that are sent count.
    if (this.#owed >= this.window / 2) {
      this.outbox.number(FrameType.window, 0, this.#owed);
      this.schedule();
      this.#credit += this.#owed;
      this.#owed = 0;
    }
    const bytes = unpadded(flags, payload, 0);
    const last = (flags & Flag.endStream) !== 0;
    if (bytes.length === 0 && !last) this.#spend(1);
    stream?.received(bytes, payload.length, last);
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw protocol(`HEADERS on stream ${id}`);
    const block = unpadded(flags, payload, flags & Flag.priority ? 5 : 0);
    const last = (flags & Flag.endStream) !== 0;
    if (flags & Flag.endHeaders) this.#fields(id, last, block);
    else this.#block = { stream: id, last, parts: [Buffer.from(block)], size: block.length };
  }

  #continuation(flags: number, payload: Buffer): void {
    const block = this.#block;
    if (!block) throw protocol('CONTINUATION of nothing');
    block.parts.push(payload);
    block.size += payload.length + CONTINUATION;
    if (block.size > MAX_BLOCK) throw new Violation(ErrorCode.calm, `a header block of more than ${MAX_BLOCK} bytes`);
    if (!(flags & Flag.endHeaders)) return;
    this.#block = undefined;
    this.#fields(block.stream, block.last, Buffer.concat(block.parts));
  }

  #fields(id: number, last: boolean, block: Buffer): void {
    // Also what is not wanted: the table must keep in step with the client's.
    const headers = request(this.#decoder.decode(block));
    const known = this.#streams.get(id);
    if (this.#leaving && id > this.#last) return;
    if (!headers.has(':method')) {
      // Trailers, maybe of a stream that was answered meanwhile.
      if (id > this.#last) throw protocol('a request without a method');
      if (known && (known.ended || !last)) known.abandon(ErrorCode.streamClosed, 'the client sent fields in the middle of its data');
      else known?.end();
      return;
    }
    if (id <= this.#last) throw protocol(`stream ${id} is not a new one`);
    if (!headers.has(':path') || !headers.has(':scheme')) throw protocol('a request without a path');
    this.#last = id;
    if (this.#streams.size + this.#orphans >= MAX_STREAMS) {
      this.#spend(GIVEN_UP);
      this.outbox.number(FrameType.reset, id, ErrorCode.refused);
      this.schedule();
      return;
    }
    const stream = new Stream(id, this, this.#initial);
    this.#streams.set(id, stream);
    stream.receiver = this.#open(stream, headers);
    if (last) stream.end();
  }

  /** Section 6.5. */
  #settings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw protocol('SETTINGS on a stream');
    if (payload.length % 6 !== 0 || (flags & Flag.ack && payload.length > 0)) {
      throw new Violation(ErrorCode.frameSize, `SETTINGS of ${payload.length} bytes`);
    }
    this.#spend(1);
    if (flags & Flag.ack) return;
    this.#settled = true;
    let initial = this.#initial;
    for (let at = 0; at < payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      const name = payload.readUInt16BE(at);
      if (name === Setting.enablePush && value > 1) throw protocol(`ENABLE_PUSH ${value}`);
      if (name === Setting.maxFrame && (value < MAX_FRAME || value > 0xffffff)) throw protocol(`MAX_FRAME_SIZE ${value}`);
      if (name !== Setting.initialWindow) continue;
      if (value > MAX_WINDOW) throw new Violation(ErrorCode.flowControl, `INITIAL_WINDOW_SIZE ${value}`);
      initial = value;
    }
    const change = initial - this.#initial;
    this.#initial = initial;
    if (change !== 0) {
      this.#spend(this.#streams.size / 10);
      for (const stream of this.#streams.values()) {
        if (!stream.widen(change)) throw new Violation(ErrorCode.flowControl, 'a window beyond all limits');
      }
    }
    this.outbox.begin(FrameType.settings, Flag.ack, 0, 0);
    this.#acknowledge();
  }

  #widen(id: number, by: number): void {
    if (id === 0) {
      if (by === 0) throw protocol('WINDOW_UPDATE of nothing');
      this.#room += by;
      if (this.#room > MAX_WINDOW) throw new Violation(ErrorCode.flowControl, 'a window beyond all limits');
      if (this.#ready.size > 0) this.schedule();
      return;
    }
    const stream = this.#known(id);
    if (!stream) return;
    if (by === 0) stream.abandon(ErrorCode.protocol, 'the client widened a window by nothing');
    else if (!stream.widen(by)) stream.abandon(ErrorCode.flowControl, 'the client widened a window beyond all limits');
  }

  /** The stream, or undefined when it is over: what was on its way then is passed over (section 5.1). */
  #known(id: number): Stream | undefined {
    const stream = this.#streams.get(id);
    // While leaving, streams are opened that nobody here takes note of.
    if (!stream && (id === 0 || id % 2 === 0 || (id > this.#last && !this.#leaving)))
      throw protocol(`a frame on stream ${id}, which is idle`);
    return stream;
  }

  #spend(patience: number): void {
    this.#patience -= patience;
    if (this.#patience >= 0) return;
    const now = performance.now();
    this.#patience = Math.min(PATIENCE, this.#patience + (now - this.#patientAt) * PATIENCE_A_MILLISECOND);
    this.#patientAt = now;
    if (this.#patience < 0) throw new Violation(ErrorCode.calm, 'a flood of frames that nobody needs');
  }

  #flush(): void {
    this.#scheduled = false;
    clearTimeout(this.#acknowledging);
    this.#acknowledging = undefined;
    if (this.#over) return;
    this.#pump();
    this.#write();
    // A client that does not read what it asks for is not asked what else it wants.
    if (this.#socket.writableLength > DEAF) this.#socket.pause();
    if (this.#leaving && this.#streams.size === 0) this.#hangUp();
  }

  /** Sends what streams have, a frame of each in turns, as far as windows and socket let it. */
  #pump(): void {
    while (this.#ready.size > 0) {
      for (const stream of this.#ready) {
        if (this.#room === 0 || this.#socket.writableLength + this.outbox.length >= SEND_AHEAD) return;
        this.#room -= stream.send(this.#room);
        this.#patience = Math.min(PATIENCE, this.#patience + 1);
        if (!stream.sendable) this.#ready.delete(stream);
      }
    }
  }

  #write(): void {
    const parts = this.outbox.take();
    if (!this.#socket.writable) return;
    if (parts.length > 1) this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    if (parts.length > 1) this.#socket.uncork();
  }

  #goaway(code: ErrorCode, message: string): void {
    const payload = Buffer.alloc(8 + message.length);
    payload.writeUInt32BE(this.#last, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(message, 8, 'latin1');
    this.outbox.frame(FrameType.goaway, 0, 0, payload);
  }

  #fail(thrown: unknown): void {
    if (this.#over) return;
    this.#goaway(thrown instanceof Violation ? thrown.code : ErrorCode.internal, toEngineError(thrown).message);
    this.#write();
    this.#end('the connection failed');
    this.#hangUp();
  }

  #hangUp(): void {
    this.#over = true;
    this.#socket.end();
    // What comes still is read, or the client would not see the end.
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), LAST_WORDS).unref();
  }

  #end(reason: string): void {
    this.#over = true;
    for (const stream of [...this.#streams.values()]) stream.abandon(undefined, reason);
  }
}
