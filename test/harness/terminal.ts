// A real terminal for a program under test: a pseudo-terminal whose master the test types into and reads, as a person would.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReadStream } from 'node:tty';
import { openPtyPeer, setWindowSize, type WindowSize } from '@berth/sys/pty';

export class Terminal implements Disposable {
  readonly #master: number;
  readonly #reader: ReadStream;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  #screen = '';

  /** Starts the program as the leader of a session whose controlling terminal this is. */
  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, size: WindowSize = { rows: 24, columns: 80 }) {
    this.#master = openSync('/dev/ptmx', 'r+');
    const slave = openPtyPeer(this.#master);
    setWindowSize(this.#master, size);
    this.#child = spawn('setsid', ['--ctty', '--wait', command, ...args], { stdio: [slave, slave, slave], env: { ...env, TERM: 'xterm' } });
    closeSync(slave);
    this.#reader = new ReadStream(this.#master);
    this.#reader.on('data', (chunk) => {
      this.#screen += chunk;
    });
    // A master whose last slave is closed says EIO: the end.
    this.#reader.on('error', () => {});
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code, signal) => resolve(code ?? (signal ? 128 : -1)));
    });
  }

  /** Everything that appeared so far. */
  get screen(): string {
    return this.#screen;
  }

  type(text: string): void {
    writeSync(this.#master, text);
  }

  /** Drags the window's corner. */
  resize(size: WindowSize): void {
    setWindowSize(this.#master, size);
  }

  /** Waits until the pattern is on the screen. */
  async see(pattern: RegExp, milliseconds = 10_000): Promise<void> {
    for (let waited = 0; waited < milliseconds; waited += 10) {
      if (pattern.test(this.#screen)) return;
      await sleep(10);
    }
    throw new Error(`${pattern} did not appear within ${milliseconds} ms; the screen has:\n${JSON.stringify(this.#screen)}`);
  }

  /** The program's exit code. */
  async exit(milliseconds = 10_000): Promise<number> {
    const late = sleep(milliseconds, undefined, { ref: false }).then(() => {
      throw new Error(`the program did not end; the screen has:\n${JSON.stringify(this.#screen)}`);
    });
    return Promise.race([this.#ended, late]);
  }

  [Symbol.dispose](): void {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
    this.#reader.destroy();
  }
}
