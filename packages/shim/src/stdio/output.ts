// What takes a process' output: the interface between the copier (copier.ts) and log files, FIFOs and attached clients.

/** As in stdcopy's frames and /proc/PID/fd. */
export const STDOUT = 1;
export const STDERR = 2;
export type OutputStream = typeof STDOUT | typeof STDERR;

export interface Output {
  /** While true the process should be held up. Outputs call the `changed` that they were made with whenever this changes. */
  readonly full: boolean;
  /** Takes a chunk, even when full. Its memory is used again after the call: copy what is kept. */
  write(stream: OutputStream, chunk: Buffer): void;
  /** The stream has ended; called once for each stream. */
  end(stream: OutputStream): void;
  /** Gives everything back once what was written has been delivered. Nothing is written afterwards. */
  close(): void;
}
