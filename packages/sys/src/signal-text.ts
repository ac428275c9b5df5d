// What a signal is called for people: strsignal(3), in small letters as Go and so runc print it ("killed", "bad system call").
import { bind } from './libc.ts';

const cStrsignal = bind<string>('const char* strsignal(int)');

/** `signal` is its number; one that does not exist is `unknown signal N`. */
export function signalText(signal: number): string {
  return cStrsignal(signal).toLowerCase();
}
