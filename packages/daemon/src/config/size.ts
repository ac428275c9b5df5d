// Sizes and rates among berthd's options and in requests: 64m, 1.5g, 1024, 512KiB, in powers of 1024.
import { parseSize as sizeOf } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';

/** Bytes. Throws InvalidArgument with go-units' wording. */
export function parseSize(text: string): number {
  const size = sizeOf(text);
  if (size === undefined || size < 0) throw new EngineError('InvalidArgument', `invalid size: '${text}'`, { layer: 'daemon' });
  return size;
}

/** Bytes a second, at least one: `500k`, `10m`. */
export function parseRate(text: string): number {
  const rate = parseSize(text.replace(/\/s$/, ''));
  if (rate > 0) return rate;
  throw new EngineError('InvalidArgument', `invalid rate: '${text}': it must be above 0, for example 500k`, { layer: 'daemon' });
}
