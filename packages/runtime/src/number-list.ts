// Lists of CPUs and memory nodes as the kernel writes them, `0-3,7` (cpuset(7), "List format"), and the bit masks that its calls take.
import { EngineError } from '@berth/errdefs/engine-error';

/** More than any kernel is built for: NR_CPUS goes to 8192, MAX_NUMNODES to 1024. */
const LARGEST = 8191;

/** The numbers of a list; `what` begins the message of the error, such as `invalid memory policy nodes`. */
export function parseNumberList(text: string, what: string): number[] {
  const fail = (why: string) => new EngineError('InvalidArgument', `${what} ${JSON.stringify(text)}: ${why}`, { layer: 'runtime' });
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const range = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    if (!range) throw fail('must be a list such as 0-3,7');
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    if (first > last) throw fail(`the range ${part.trim()} runs backwards`);
    if (last > LARGEST) throw fail(`${last} is above ${LARGEST}`);
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return [...numbers];
}

/** Bit n is set for number n; a multiple of eight bytes, as the kernel's words are. */
export function bitMask(numbers: readonly number[]): Uint8Array {
  const mask = new Uint8Array(8 * Math.ceil((Math.max(-1, ...numbers) + 1) / 64));
  for (const number of numbers) mask[number >> 3] = (mask[number >> 3] as number) | (1 << (number & 7));
  return mask;
}
