// Signals: their names by number (signal(7)), and those that this process ignores, which its children must not inherit as ignored.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { EngineError } from '@berth/errdefs/engine-error';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** `KILL`, `SIGKILL`, `9`, `SIGRTMIN+3` (any case); as runc and Docker read them. */
export function signalNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ''));
  if (number === undefined || number > SIGRTMAX) throw new EngineError('InvalidArgument', `unknown signal "${text}"`, { layer: 'runtime' });
  return number;
}

function named(name: string): number | undefined {
  const realtime = /^RTM(IN|AX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) {
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1);
    const number = (realtime[1] === 'IN' ? SIGRTMIN : SIGRTMAX) + offset;
    return number >= SIGRTMIN ? number : undefined;
  }
  return (constants.signals as Record<string, number>)[`SIG${name}`];
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
