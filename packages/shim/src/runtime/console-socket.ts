// The receiving side of --console-socket: the runtime connects, and sends the terminal's master in one message (SCM_RIGHTS).
import { closeSync, rmSync } from 'node:fs';
import { acceptUnix, listenUnix, receiveWithFds } from '@berth/sys/fd-passing';
import { waitReadable } from '@berth/sys/pipe';

/** Milliseconds between looks: Node cannot watch a socket for descriptors. */
const INTERVAL = 2;
const NAME_SIZE = 4096;

export class ConsoleSocket implements Disposable {
  readonly path: string;
  #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  static listen(path: string): ConsoleSocket {
    rmSync(path, { force: true });
    return new ConsoleSocket(path, listenUnix(path));
  }

  /** The master, or undefined when the runtime ended without sending one. */
  async receive(ended: Promise<number>): Promise<number | undefined> {
    let over = false;
    void ended.then(() => {
      over = true;
    });
    for (;;) {
      const last = over;
      if (waitReadable(this.#fd, 0)) return this.#accept();
      if (last) return undefined;
      await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    }
  }

  #accept(): number | undefined {
    const connection = acceptUnix(this.#fd);
    try {
      return receiveWithFds(connection, NAME_SIZE).fds[0];
    } finally {
      closeSync(connection);
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    rmSync(this.path, { force: true });
  }
}
