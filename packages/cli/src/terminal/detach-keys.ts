// The keys that leave a container without ending it: `ctrl-p,ctrl-q` unless the user says otherwise (docker's --detach-keys).
import { EngineError } from '@berth/errdefs/engine-error';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** Key names → the bytes they send. */
export function parseDetachKeys(text: string): Buffer {
  const bytes = text.split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control) return control.charCodeAt(0) & 0x1f;
    throw new EngineError(
      'InvalidArgument',
      `invalid detach keys (${text}): unknown character: '${key}'; use a letter or ctrl-a to ctrl-_`,
      { layer: 'cli' },
    );
  });
  return Buffer.from(bytes);
}

/**
 * Watches what the user types. `feed` returns what may be sent on; `detached` becomes true once the whole sequence was typed.
 * A started sequence is held back and sent when it breaks off.
 */
export class DetachWatcher {
  readonly #keys: Buffer;
  #matched = 0;
  detached = false;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  feed(chunk: Buffer): Buffer {
    if (this.#keys.length === 0) return chunk;
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) {
          this.detached = true;
          break;
        }
        continue;
      }
      out.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) out.push(byte);
    }
    return Buffer.from(out);
  }
}
