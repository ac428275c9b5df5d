// Reading what a registry answers, without trusting it to send much or ever: bodies bring some bytes in some time or fail, and
// texts have a limit. Only the time in which bytes are waited for counts: a reader may be as slow as it likes.
import { text } from 'node:stream/consumers';
import { LEAST_PROGRESS, stalled } from './patience.ts';
import type { HttpResponse } from './transport.ts';

const TEXT_LIMIT = 1 << 20;

/** The body's chunks. */
export async function* bodyOf(response: HttpResponse): AsyncGenerator<Buffer, void, undefined> {
  const { body: patience } = response.patience;
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let waited = 0;
  let received = 0;
  try {
    for (;;) {
      const asked = performance.now();
      const give = () => response.destroy(stalled(`no ${LEAST_PROGRESS} bytes came in ${patience / 1000} s`));
      const timer = setTimeout(give, Math.max(0, patience - waited));
      const { value, done } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) return;
      waited += performance.now() - asked;
      received += value.length;
      if (received >= LEAST_PROGRESS) waited = received = 0;
      yield value;
    }
  } finally {
    // Nothing when all has been read: then the connection may serve again.
    if (!response.complete) response.destroy();
  }
}

/** A small answer as text, cut after a mebibyte. */
export async function readText(response: HttpResponse): Promise<string> {
  const limited = async function* () {
    let left = TEXT_LIMIT;
    for await (const chunk of bodyOf(response)) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left <= 0) return;
    }
  };
  return text(limited());
}
