// Signals by name and number, as `kill`, `stop` and images name them: SIGTERM, TERM, term, 15, SIGRTMIN+3.
import { EngineError } from '@berth/errdefs/engine-error';
import { signalNumber as numberOf } from '@berth/sys/signal-number';

/** Throws InvalidArgument with moby's wording. */
export function signalNumber(text: string): number {
  const number = numberOf(text);
  if (!number) throw new EngineError('InvalidArgument', `invalid signal: ${text}`, { layer: 'daemon' });
  return number;
}
