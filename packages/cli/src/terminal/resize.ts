// Keeps a container's terminal as large as the user's: at once, and at every SIGWINCH.
export interface Size {
  rows: number;
  columns: number;
}

export function terminalSize(stream: NodeJS.WriteStream): Size | undefined {
  return stream.isTTY && stream.rows > 0 && stream.columns > 0 ? { rows: stream.rows, columns: stream.columns } : undefined;
}

/** Calls `resize` now and at every change until disposed. The process may not be there yet: the first call is tried again. */
export function followResize(stream: NodeJS.WriteStream, resize: (size: Size) => Promise<void>): Disposable {
  let stopped = false;
  const send = async (attempts: number) => {
    const size = terminalSize(stream);
    if (!size || stopped) return;
    try {
      await resize(size);
    } catch {
      if (attempts > 0) setTimeout(() => void send(attempts - 1), 10 * (6 - attempts)).unref();
    }
  };
  const listener = () => void send(0);
  void send(5);
  stream.on('resize', listener);
  return {
    [Symbol.dispose]() {
      stopped = true;
      stream.off('resize', listener);
    },
  };
}
