// Progress as the Engine API streams it: concatenated JSON messages (moby's jsonmessage). The response begins with the first
// message, so that what fails before it is an error status; what fails later is told in the stream.
import type { ServerResponse } from 'node:http';
import type { ProgressMessage } from '@berth/api/image';
import { humanSize } from '@berth/api/units';
import { toEngineError } from '@berth/errdefs/engine-error';
import { beginStream } from '../server/reply.ts';

export type ProgressSink = (message: ProgressMessage) => void;

export class ProgressOutput {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  readonly write: ProgressSink = (message) => {
    if (!this.#response.headersSent) beginStream(this.#response, 'application/json');
    if (!this.#response.destroyed) this.#response.write(`${JSON.stringify(message)}\r\n`);
  };

  /** Runs `body` and ends the stream; rethrows what fails before the first message. */
  async during(body: () => Promise<void>): Promise<void> {
    try {
      await body();
      if (!this.#response.headersSent) beginStream(this.#response, 'application/json');
    } catch (error) {
      if (!this.#response.headersSent) throw error;
      const { message, details } = toEngineError(error);
      // The exit code of a build's command becomes the client's own.
      const code = typeof details.exitCode === 'number' ? { code: details.exitCode } : {};
      this.write({ errorDetail: { ...code, message }, error: message });
    }
    this.#response.end();
  }
}

/** A message with bytes, and the bar that clients older than `progressDetail` print. */
export function bytesMessage(id: string, status: string, current: number, total: number): ProgressMessage {
  return { status, progressDetail: { current, total }, progress: bar(current, total), id };
}

function bar(current: number, total: number): string {
  if (total <= 0 || current > total) return humanSize(current, 4).padStart(8);
  const done = Math.min(50, Math.floor(((current / total) * 100) / 2));
  return `[${'='.repeat(done)}>${' '.repeat(50 - done)}] ${humanSize(current, 4).padStart(8)}/${humanSize(total, 4)}`;
}
