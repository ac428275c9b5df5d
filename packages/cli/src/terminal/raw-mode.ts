// The user's terminal in raw mode while a container has it: every key goes to the container, every byte comes back as it is.
// Node's own raw mode leaves output processing on, which turns the container's "\r\n" into "\r\r\n"; stty(1) sets what cfmakeraw(3) does.
import { spawnSync } from 'node:child_process';
import type { ReadStream } from 'node:tty';

/** Raw until disposed; the terminal then has the settings it had. */
export function rawMode(terminal: ReadStream): Disposable {
  const stty = (...args: string[]) => spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' });
  const saved = stty('-g').stdout?.trim();
  if (saved && stty('raw', '-echo').status === 0) return { [Symbol.dispose]: () => void stty(saved) };
  terminal.setRawMode(true);
  return { [Symbol.dispose]: () => void terminal.setRawMode(false) };
}
