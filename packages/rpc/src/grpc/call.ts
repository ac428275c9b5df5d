// One call of a gRPC server: a stream's data as messages for a handler, and what the handler makes of them as the answer.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Headers } from '../http2/request.ts';
import type { Receiver, Stream } from '../http2/stream.ts';
import { Inbox } from '../ttrpc/inbox.ts';
import type { Call } from '../ttrpc/server.ts';
import type { MethodType } from '../wire/message.ts';
import { MessageReader, PREFIX, prefixOf } from './messages.ts';
import { ANSWER, IDENTITY, OK, refusal } from './status.ts';

// biome-ignore lint/suspicious/noExplicitAny: messages are checked where the service is registered
type AnyMethod = MethodType<any, any>;

export interface Route {
  method: AnyMethod;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  handle: (request: any, call: Call) => any;
}

/** Told of every call that ended, with the error that it ended in. */
export type OnCall = (path: string, milliseconds: number, error: unknown) => void;

export interface CallRules {
  onCall: OnCall | undefined;
  /** Bytes of one message. */
  largestReceived: number;
  largestSent: number;
}

/** The protocol's own headers, which are no metadata. */
const PROTOCOL = /^(:|grpc-(timeout|encoding|accept-encoding)$|accept-encoding$|te$|content-type$)/;
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };
const LONGEST_TIMER = 0x7fffffff;
/** One for all calls: an error's stack takes longer to write down than an answer. */
const OVER = new EngineError('Cancelled', 'the call is over');

/** Starts its handler when the request is whole, or at once when the method reads a stream of them. */
export class ServerCall implements Call, Receiver {
  readonly #route: Route;
  readonly #rules: CallRules;
  readonly #stream: Stream;
  readonly #headers: Headers;
  readonly #reader: MessageReader;
  readonly #inbox: Inbox<Buffer> | undefined;
  #request: Buffer | undefined;
  #metadata: ReadonlyMap<string, string> | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #started = 0;
  #answered = false;
  /** Why nobody waits for an answer any more. */
  #gone: EngineError | undefined;

  constructor(route: Route, rules: CallRules, stream: Stream, headers: Headers) {
    this.#route = route;
    this.#rules = rules;
    this.#stream = stream;
    this.#headers = headers;
    this.#reader = new MessageReader(rules.largestReceived, headers.get('grpc-encoding'));
    const timeout = headers.get('grpc-timeout');
    if (timeout !== undefined) this.#startClock(timeout);
    if (!route.method.requestStream || this.#gone) return;
    this.#inbox = new Inbox();
    this.#run(this.#requests(this.#inbox));
  }

  get method(): string {
    return this.#route.method.name;
  }

  get metadata(): ReadonlyMap<string, string> {
    this.#metadata ??= metadataOf(this.#headers);
    return this.#metadata;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#gone) this.#controller.abort(this.#gone);
    }
    return this.#controller.signal;
  }

  data(bytes: Buffer): void {
    try {
      this.#reader.push(bytes, (message) => this.#message(message));
    } catch (thrown) {
      this.#refuse(thrown as EngineError);
    }
  }

  end(): void {
    const { path } = this.#route.method;
    if (this.#gone) return;
    if (this.#reader.inside) this.#refuse(new EngineError('Internal', `The request of ${path} ends inside a message`));
    else if (this.#inbox) this.#inbox.close();
    else if (this.#request) this.#whole(this.#request);
    else this.#refuse(new EngineError('NotImplemented', `Received no request message for method ${path}`));
  }

  gone(): void {
    this.#leave(new EngineError('Cancelled', `the caller of ${this.method} is gone`));
  }

  #message(message: Buffer): void {
    if (this.#gone) return;
    if (this.#inbox) {
      this.#stream.waiting(message.length + PREFIX);
      this.#inbox.push(message);
    } else if (this.#request) {
      throw new EngineError('NotImplemented', `Received a second request message for method ${this.#route.method.path}`);
    } else this.#request = message;
  }

  #whole(message: Buffer): void {
    let request: unknown;
    try {
      request = this.#decode(message);
    } catch (thrown) {
      this.#refuse(thrown as EngineError);
      return;
    }
    this.#run(request);
  }

  #decode(message: Buffer): unknown {
    try {
      return this.#route.method.request.decode(message);
    } catch (thrown) {
      throw new EngineError('Internal', 'Error deserializing request', { cause: thrown });
    }
  }

  /** What the client streams, until it ends its side. A client that goes away ends it with an error. */
  async *#requests(inbox: Inbox<Buffer>): AsyncGenerator {
    for await (const message of inbox) {
      this.#stream.taken(message.length + PREFIX);
      yield this.#decode(message);
    }
  }

  #run(input: unknown): void {
    const { method, handle } = this.#route;
    this.#started = performance.now();
    this.#stream.busy = true;
    try {
      const output = handle(input, this);
      if (method.responseStream) void this.#answerAll(output);
      else if (output instanceof Promise) {
        output.then(
          (answer) => this.#answer(answer),
          (error) => this.#finish(error),
        );
      } else this.#answer(output);
    } catch (thrown) {
      this.#finish(thrown);
    }
  }

  #answer(message: unknown): void {
    try {
      this.#send(message);
      this.#finish();
    } catch (thrown) {
      this.#finish(thrown);
    }
  }

  async #answerAll(messages: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const message of messages) {
        if (this.#gone) break;
        this.#send(message);
        await this.#stream.drained();
      }
      this.#finish();
    } catch (thrown) {
      this.#finish(thrown);
    }
  }

  #send(message: unknown): void {
    if (this.#gone) return;
    const bytes = this.#route.method.response.encode(message);
    const { largestSent } = this.#rules;
    if (bytes.length > largestSent) {
      throw new EngineError('ResourceExhausted', `Sent message larger than max (${bytes.length} vs. ${largestSent})`);
    }
    if (!this.#answered) this.#stream.header(ANSWER);
    this.#answered = true;
    this.#stream.write(prefixOf(bytes));
    this.#stream.write(bytes);
  }

  /** The handler is done. */
  #finish(error?: unknown): void {
    clearTimeout(this.#timer);
    if (!this.#gone) this.#stream.finish(this.#trailers(error));
    this.#gone ??= OVER;
    this.#inbox?.fail(this.#gone);
    this.#stream.settle();
    this.#rules.onCall?.(this.#route.method.path, performance.now() - this.#started, error);
  }

  /** Ends the call for the client, whatever the handler does. */
  #refuse(error: EngineError): void {
    if (this.#gone) return;
    const trailers = this.#trailers(error);
    this.#leave(error);
    this.#stream.cut(error.kind === 'NotImplemented' ? Buffer.concat([trailers, IDENTITY]) : trailers);
  }

  #leave(reason: EngineError): void {
    if (this.#gone) return;
    this.#gone = reason;
    clearTimeout(this.#timer);
    this.#inbox?.fail(reason);
    this.#controller?.abort(reason);
  }

  /** Of a call that was not answered they are the only headers. */
  #trailers(error: unknown): Buffer {
    if (error !== undefined) return this.#answered ? refusal(error) : Buffer.concat([ANSWER, refusal(error)]);
    return this.#answered ? OK : Buffer.concat([ANSWER, OK]);
  }

  #startClock(timeout: string): void {
    const [, count, unit = 'n'] = /^(\d{1,8})([HMSmun])$/.exec(timeout) ?? [];
    if (count === undefined) {
      this.#refuse(new EngineError('Internal', `Invalid grpc-timeout value "${timeout}"`));
      return;
    }
    const milliseconds = Math.min(Number(count) * (UNITS[unit] as number), LONGEST_TIMER);
    this.#timer = setTimeout(() => this.#refuse(new EngineError('DeadlineExceeded', 'Deadline exceeded')), milliseconds);
    this.#timer.unref();
  }
}

function metadataOf(headers: Headers): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  for (const [name, value] of headers) {
    if (PROTOCOL.test(name)) continue;
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value.split(',')[0] as string, 'base64').toString() : value);
  }
  return metadata;
}
