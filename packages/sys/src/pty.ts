// Pseudo-terminals of a given devpts instance (ioctl_tty(2), pts(4)). The slave is opened through its master (TIOCGPTPEER), never
// by its path, which a container controls.
import { bind, check } from './libc.ts';

const cIoctl = bind('int ioctl(int, unsigned long, void*)');
const cIoctlNumber = bind('int ioctl(int, unsigned long, long)');

const TIOCSCTTY = 0x540e;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_CLOEXEC = 0o2000000;

export interface WindowSize {
  rows: number;
  columns: number;
}

/** Unlocks a master (an open ptmx) and opens its slave, close-on-exec. */
export function openPtyPeer(master: number): number {
  check(cIoctl(master, TIOCSPTLCK, new Int32Array([0])), 'ioctl', 'TIOCSPTLCK');
  return check(cIoctlNumber(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), 'ioctl', 'TIOCGPTPEER');
}

/** The caller, a session leader without a terminal, gets this one. */
export function setControllingTerminal(tty: number): void {
  check(cIoctlNumber(tty, TIOCSCTTY, 0), 'ioctl', 'TIOCSCTTY');
}

/** Of the terminal, by either of its ends; its foreground processes get SIGWINCH when it has changed. */
export function setWindowSize(tty: number, size: WindowSize): void {
  check(cIoctl(tty, TIOCSWINSZ, new Uint16Array([size.rows, size.columns, 0, 0])), 'ioctl', 'TIOCSWINSZ');
}

/** Of the terminal, by either of its ends. */
export function getWindowSize(tty: number): WindowSize {
  const raw = new Uint16Array(4);
  check(cIoctl(tty, TIOCGWINSZ, raw), 'ioctl', 'TIOCGWINSZ');
  return { rows: raw[0] ?? 0, columns: raw[1] ?? 0 };
}
