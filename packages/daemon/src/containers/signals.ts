// Signals by name and number: SIGTERM, TERM, term, 15, SIGRTMIN+3.
import { constants } from 'node:os';
import { EngineError } from '@berth/errdefs/engine-error';

const RTMIN = 34;
const RTMAX = 64;

/** Throws InvalidArgument with moby's wording. */
export function signalNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : named(text);
  if (number === undefined || number <= 0 || number > RTMAX)
    throw new EngineError('InvalidArgument', `invalid signal: ${text}`, { layer: 'daemon' });
  return number;
}

function named(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) {
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1);
    return (realtime[1] === 'MIN' ? RTMIN : RTMAX) + offset;
  }
  return (constants.signals as Record<string, number>)[`SIG${name}`];
}
