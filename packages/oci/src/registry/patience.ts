// How long a registry may take for each step of an exchange. A server that trickles bytes keeps a connection from ever being idle, so
// silence alone is not what ends one (CWE-400, "slow loris").

/** How long a server may take, milliseconds. */
export interface Patience {
  /** Without a byte on the connection. */
  silence: number;
  /** From the end of the request to the end of the answer's head. */
  head: number;
  /** For each 16 KiB of the body. */
  body: number;
}

export const PATIENCE: Patience = { silence: 60_000, head: 60_000, body: 60_000 };

/** Bytes: what must come in `Patience.body`, and what counts as progress of a download that breaks again and again. */
export const LEAST_PROGRESS = 16 * 1024;

/** The code of the error after too long a wait; the connection is gone then. */
export const STALLED = 'ESTALLED';

export function stalled(message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code: STALLED });
}
