// Sizes as people write them: 64m, 1.5g, 1024, 512KiB. Binary multiples, as docker/go-units' RAMInBytes.
import { EngineError } from '@berth/errdefs/engine-error';

const UNITS = 'kmgtp';

/** Bytes. Throws InvalidArgument with go-units' wording. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?b?)$/i.exec(text.trim());
  if (!match) throw new EngineError('InvalidArgument', `invalid size: '${text}'`, { layer: 'daemon' });
  const unit = (match[2] as string).toLowerCase();
  return Math.floor(Number(match[1]) * 1024 ** (unit === '' ? 0 : UNITS.indexOf(unit) + 1));
}

/** Bytes a second, at least one: `500k`, `10m`. */
export function parseRate(text: string): number {
  const rate = parseSize(text.replace(/\/s$/, ''));
  if (rate > 0) return rate;
  throw new EngineError('InvalidArgument', `invalid rate: '${text}': it must be above 0, for example 500k`, { layer: 'daemon' });
}
