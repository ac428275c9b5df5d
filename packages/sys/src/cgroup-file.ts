// Reading and writing the kernel's control files under a cgroup directory.
//
// Every file holds one value, one value a line, or `key value` lines (cgroup-v2.rst, "Interface Files"). A write is one
// write(2): the kernel takes the value as a whole or refuses it, and the message of a refusal names value and file as runc does.
import { closeSync, openSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { EngineError, SysError } from '@berth/errdefs/engine-error';

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread: cgroups are waited for between two calls of synchronous code. */
export function pause(milliseconds: number): void {
  Atomics.wait(sleeper, 0, 0, milliseconds);
}

/**
 * Writes one value. Throws EngineError that names file and value: InvalidArgument for what the kernel does not take, NotFound where
 * the controller is missing.
 */
export function writeControl(directory: string, file: string, value: string | number): void {
  writeControls(directory, file, [String(value)]);
}

/** Several values, one after the other, each a write(2) of its own: for files that take one rule at a time. */
export function writeControls(directory: string, file: string, values: readonly string[]): void {
  const path = `${directory}/${file}`;
  let writing = values[0] ?? '';
  try {
    const fd = openSync(path, 'r+');
    try {
      for (const value of values) {
        writing = value;
        writeSync(fd, value);
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw refusal(sysErrorOf(error, 'write', path), path, writing);
  }
}

function refusal(reason: SysError, path: string, value: string): EngineError {
  const kind = reason.kind === 'Internal' || reason.code === 'EINVAL' ? 'InvalidArgument' : reason.kind;
  return new EngineError(kind, `failed to write "${value}": ${reason.message}`, {
    layer: 'runtime',
    details: { ...reason.details, path, value },
    cause: reason,
  });
}

/** A file's text without its last newline. Throws SysError, ENOENT where the controller is missing. */
export function readControl(directory: string, file: string): string {
  const path = `${directory}/${file}`;
  try {
    return readFileSync(path, 'latin1').trimEnd();
  } catch (error) {
    throw sysErrorOf(error, 'read', path);
  }
}

/** As readControl; undefined when this kernel or this cgroup has no such file. */
export function readOptional(directory: string, file: string): string | undefined {
  try {
    return readFileSync(`${directory}/${file}`, 'latin1').trimEnd();
  } catch (error) {
    // ENOTSUP: the file exists, its mechanism is switched off (memory.memsw.* without swap accounting)
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENODEV') return undefined;
    throw sysErrorOf(error, 'read', `${directory}/${file}`);
  }
}

/** A single number; `max` and v1's own "no limit" (the largest page-aligned int64) are Infinity. */
export function readNumber(directory: string, file: string): number | undefined {
  const text = readOptional(directory, file);
  return text === undefined ? undefined : toNumber(text);
}

/** `key value` lines. */
export function readKeyed(directory: string, file: string): Record<string, number> | undefined {
  const text = readOptional(directory, file);
  if (text === undefined) return undefined;
  const values: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (space > 0) values[line.slice(0, space)] = toNumber(line.slice(space + 1));
  }
  return values;
}

/** Above this, a v1 memory limit means that there is none: PAGE_COUNTER_MAX is 2^63 rounded down to a page. */
const UNLIMITED = 0x7fff_ffff_ffff_0000;

function toNumber(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const value = Number(text);
  return value >= UNLIMITED ? Number.POSITIVE_INFINITY : value;
}

/** rmdir(2) of a cgroup; false while it is busy, true when it is gone. */
export function removeCgroupDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw sysErrorOf(error, 'rmdir', path);
  }
}

/** The SysError of what node:fs threw: its message is "CODE: text, call 'path'". */
export function sysErrorOf(thrown: unknown, call: string, path: string): SysError {
  const { code = 'EIO', message } = thrown as NodeJS.ErrnoException;
  const text = /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? message;
  const number = constants.errno[code as keyof typeof constants.errno] ?? constants.errno.EIO;
  return new SysError(call, number, code, text, [path]);
}
