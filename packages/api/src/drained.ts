// Waiting for a slow reader, so that what is written for it does not fill memory.

/** To be called when `write` has answered false: resolves when more may be written, or when the stream has closed and nothing will be. */
export function drained(stream: NodeJS.EventEmitter & { readonly destroyed?: boolean }): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve();
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}
