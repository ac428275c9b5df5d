// Waiting for children by pid (wait(2)).
import { bind, errno, errnoName, sysError } from './libc.ts';

const cWaitpid = bind('int waitpid(int, _Out_ int*, int)');
const WNOHANG = 1;

export interface Exit {
  pid: number;
  /** The code given to exit(2), or 128 + the signal's number. */
  status: number;
  signal: number;
}

/** Waits for one child; undefined with `noHang` when none has exited, or when there is no such child. */
export function waitpid(pid: number, options: { noHang?: boolean } = {}): Exit | undefined {
  const status = [0];
  for (;;) {
    const got = cWaitpid(pid, status, options.noHang ? WNOHANG : 0);
    if (got > 0) return { pid: got, ...decode(status[0] ?? 0) };
    if (got === 0) return undefined;
    const name = errnoName(errno());
    if (name === 'EINTR') continue;
    if (name === 'ECHILD') return undefined;
    throw sysError('waitpid', [pid]);
  }
}

function decode(status: number): { status: number; signal: number } {
  const signal = status & 0x7f;
  return signal === 0 ? { status: (status >> 8) & 0xff, signal: 0 } : { status: 128 + signal, signal };
}
