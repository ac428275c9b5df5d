// The C library, and nothing else, behind one helper: `syscall-like` functions that return -1 and set errno become functions
// that throw SysError. Every other file of this package declares its functions through bind(); no other package imports koffi.
import { constants } from 'node:os';
import { SysError } from '@berth/errdefs/engine-error';
import { koffi } from './koffi.ts';

/** The running binary itself: libc, libuv and V8 are all resolved through it. */
const self = koffi.load(null);

// biome-ignore lint/suspicious/noExplicitAny: a C function's arguments are as its prototype says
export type CFunction<R = number> = (...args: any[]) => R;

/** Declares a C function by its prototype, e.g. `int mount(const char*, const char*, const char*, unsigned long, const char*)`. */
export function bind<R = number>(prototype: string): CFunction<R> {
  return self.func(prototype) as CFunction<R>;
}

/** The pair (errno's name, its text) by its number. */
const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
const strerror = bind<string>('const char* strerror(int)');

/** errno of the last call through koffi; every other call changes it, so read it at once. */
export function errno(): number {
  return koffi.errno();
}

/** `ENOENT` for 2. What node:os does not know is `E` and the number. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `E${number}`;
}

/** The text of an errno's name, as Go's syscall package words it: `no such file or directory`. */
export function errnoText(name: string): string {
  return errnoTextOf((constants.errno as Record<string, number>)[name] ?? 0);
}

/** The text of an errno, as `errnoText`. */
export function errnoTextOf(number: number): string {
  return strerror(number).toLowerCase();
}

/** The SysError of a call that has just failed; reads errno, so call it at once. */
export function sysError(call: string, args: readonly unknown[] = [], number: number = koffi.errno()): SysError {
  return new SysError(call, number, errnoName(number), strerror(number).toLowerCase(), args);
}

/** Passes a result through, or throws the SysError of `call` when it is negative. */
export function check(result: number, call: string, ...args: unknown[]): number {
  if (result < 0) throw sysError(call, args);
  return result;
}

/** The function at an address, by its prototype. */
export function bindAddress<R = number>(address: number, prototype: string): CFunction<R> {
  return koffi.decode(address, koffi.proto(prototype)) as CFunction<R>;
}

/** Where bytes are. They stay there as long as the array lives, if it has more than 64 bytes: V8 moves smaller ones about. */
export function memoryAddress(bytes: ArrayBufferView): number {
  return Number(koffi.address(bytes));
}

/** The process' memory at an address, to read and write. */
export function memoryView(address: number, length: number): Uint8Array {
  return new Uint8Array(koffi.view(address, length));
}
