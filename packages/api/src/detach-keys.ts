// Detach keys: a sequence such as `ctrl-p,ctrl-q` that ends an attachment and leaves the process alone. Keys of a sequence that
// turns out to be none are passed on (moby's pkg/term escape proxy). The daemon looks for them in what clients send, the client in
// what its user types, so that it ends at once.
import { EngineError } from '@berth/errdefs/engine-error';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** The bytes of a sequence; '' is the default one. Throws InvalidArgument. */
export function parseDetachKeys(text: string): Buffer {
  const keys = (text || DEFAULT_DETACH_KEYS).split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key);
    if (!control?.[1]) throw new EngineError('InvalidArgument', `Invalid detach keys (${text}) provided`, { layer: 'daemon' });
    return control[1].toUpperCase().charCodeAt(0) - 64;
  });
  return Buffer.from(keys);
}

/** Looks for the sequence in typed bytes, across chunks. */
export class DetachKeys {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** What to pass on of `chunk`, and whether the sequence is complete: then the rest is not passed on. */
  filter(chunk: Uint8Array): { pass: Buffer; detached: boolean } {
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) {
          this.#matched = 0;
          return { pass: Buffer.from(pass), detached: true };
        }
        continue;
      }
      // The keys held back so far belong to the process after all; this byte may begin the sequence anew.
      pass.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Buffer.from(pass), detached: false };
  }
}
