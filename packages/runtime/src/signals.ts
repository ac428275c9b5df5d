// Signals (signal(7)): their numbers by name, and those that this process ignores, which its children must not inherit as ignored.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { signalNumber as numberOf } from '@berth/sys/signal-number';

/** As runc and Docker read them. Throws InvalidArgument with runc's wording. */
export function signalNumber(text: string): number {
  const number = numberOf(text);
  if (number === undefined) throw new EngineError('InvalidArgument', `unknown signal "${text}"`, { layer: 'runtime' });
  return number;
}

let ignored: number[] | undefined;

/** The signals that this process ignores (Node: SIGPIPE; and whatever it inherited). Read once: it is needed after every fork. */
export function ignoredSignals(): readonly number[] {
  if (!ignored) {
    const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`);
    ignored = [];
    for (let signal = 1; signal <= 64; signal++) if ((mask >> BigInt(signal - 1)) & 1n) ignored.push(signal);
  }
  return ignored;
}
