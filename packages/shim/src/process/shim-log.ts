// A shim's own words. containerd gives its shims a FIFO named `log` in the bundle and passes on what comes; without one they go
// to `shim.log` there. Nothing is opened before there is something to say.
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export type LogLevel = 'debug' | 'info' | 'error';

export class ShimLog {
  readonly #bundle: string;
  readonly #debug: boolean;

  constructor(bundle: string, debug: boolean) {
    this.#bundle = bundle;
    this.#debug = debug;
  }

  write(level: LogLevel, message: string): void {
    if (level === 'debug' && !this.#debug) return;
    const line = `time="${new Date().toISOString()}" level=${level} msg=${JSON.stringify(message)}\n`;
    try {
      const fd = this.#open();
      writeSync(fd, line);
      closeSync(fd);
    } catch {
      // Nobody left to tell.
    }
  }

  #open(): number {
    try {
      return openSync(join(this.#bundle, 'log'), constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      return openSync(join(this.#bundle, 'shim.log'), constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
    }
  }
}
