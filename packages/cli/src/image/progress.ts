// Shows a progress stream: on a terminal one line an id, redrawn in place with a bar; otherwise each change of status as a plain line.
// An error message in the stream is thrown.
import type { ProgressMessage } from '@berth/api/image';
import { humanSize } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';

export interface ProgressOptions {
  stream: NodeJS.WriteStream;
  quiet?: boolean;
  /** Takes the messages of a build in place of the stream. */
  keep?: (text: string) => void;
  /** Sees the `aux` values. */
  aux?: (value: unknown) => void;
}

export async function showProgress(messages: AsyncIterable<ProgressMessage>, options: ProgressOptions): Promise<void> {
  const display = options.stream.isTTY ? new TerminalDisplay(options.stream) : new PlainDisplay(options.stream);
  for await (const message of messages) {
    if (message.error || message.errorDetail) {
      const detail = message.errorDetail?.message ?? message.error ?? 'unknown error';
      throw new EngineError('Unknown', detail, { layer: 'daemon', details: { code: message.errorDetail?.code } });
    }
    if (message.aux !== undefined) options.aux?.(message.aux);
    else if (options.keep) options.keep(message.stream ?? '');
    else if (!options.quiet) display.show(message);
  }
}

class PlainDisplay {
  readonly #stream: NodeJS.WriteStream;
  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }
  show(message: ProgressMessage): void {
    if (message.stream !== undefined) this.#stream.write(message.stream);
    // A bar that moves is nothing to a file.
    else if (message.status !== undefined && !message.progressDetail?.current)
      this.#stream.write(`${message.id ? `${message.id}: ` : ''}${message.status}\n`);
  }
}

class TerminalDisplay {
  readonly #stream: NodeJS.WriteStream;
  readonly #lines = new Map<string, number>();
  #height = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(message: ProgressMessage): void {
    if (message.stream !== undefined) {
      this.#stream.write(message.stream);
      return;
    }
    if (message.status === undefined) return;
    if (!message.id) {
      this.#lines.clear();
      this.#height = 0;
      this.#stream.write(`${message.status}\n`);
      return;
    }
    let line = this.#lines.get(message.id);
    if (line === undefined) {
      line = this.#height++;
      this.#lines.set(message.id, line);
      this.#stream.write('\n');
    }
    const up = this.#height - line;
    const text = `${message.id}: ${message.status} ${bar(message, (this.#stream.columns || 80) - 30)}`.trimEnd();
    this.#stream.write(`\x1b[${up}A\r\x1b[2K${text.slice(0, (this.#stream.columns || 80) - 1)}\x1b[${up}B\r`);
  }
}

function bar({ progressDetail: detail, status }: ProgressMessage, room: number): string {
  if (!detail?.current) return '';
  const { current, total } = detail;
  if (!total || total < current) return humanSize(current);
  if (detail.hidecounts) return '';
  const numbers = `${humanSize(current)}/${humanSize(total)}`;
  const width = Math.min(50, room - numbers.length - (status?.length ?? 0));
  if (width < 10) return numbers;
  const done = Math.floor((current / total) * width);
  return `[${'='.repeat(done)}>${' '.repeat(Math.max(0, width - done))}]  ${numbers}`;
}
