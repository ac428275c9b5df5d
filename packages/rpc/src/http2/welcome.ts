// What a client is told when it connects (RFC 9113, section 3.4), the same on every connection.
import { FIRST_WINDOW, FrameType, Setting } from './frames.ts';
import { MAX_HEADER_LIST } from './hpack.ts';
import { Outbox } from './outbox.ts';

/** Streams at once, with those that the client gave up and whose work goes on. */
export const MAX_STREAMS = 10_000;

export interface Welcome {
  readonly window: number;
  readonly greeting: Buffer;
}

/** `window` is what a client may send ahead, on each stream and on all. */
export function welcome(window: number): Welcome {
  const settings = [Setting.maxStreams, MAX_STREAMS, Setting.initialWindow, window, Setting.maxHeaderList, MAX_HEADER_LIST];
  const payload = Buffer.alloc(settings.length * 3);
  for (let at = 0, i = 0; i < settings.length; i += 2) {
    at = payload.writeUInt16BE(settings[i] as number, at);
    at = payload.writeUInt32BE(settings[i + 1] as number, at);
  }
  const outbox = new Outbox();
  outbox.frame(FrameType.settings, 0, 0, payload);
  outbox.number(FrameType.window, 0, window - FIRST_WINDOW);
  return { window, greeting: Buffer.concat(outbox.take()) };
}
