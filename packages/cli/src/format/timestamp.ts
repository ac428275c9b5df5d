// Points in time as --since and --until take them: RFC 3339, a date, Unix seconds, or a duration before now. The wire has Unix
// seconds with a fraction.
import { parseDuration } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';

/** `flag`: whose value it is, where the error is to say so. */
export function timestamp(text: string, { flag, now = Date.now() }: { flag?: string; now?: number } = {}): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  const duration = parseDuration(text);
  if (duration !== undefined) return ((now * 1e6 - duration) / 1e9).toFixed(9);
  const moment = Date.parse(/^\d{4}-\d\d-\d\dT\d\d(:\d\d)?$/.test(text) ? completed(text) : text);
  if (Number.isNaN(moment)) {
    throw new EngineError(
      'InvalidArgument',
      `${flag === undefined ? '' : `invalid value for "${flag}": `}failed to parse value as time or duration: "${text}"`,
      { layer: 'cli' },
    );
  }
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
  return `${Math.floor(moment / 1000)}.${fraction.padEnd(9, '0')}`;
}

function completed(text: string): string {
  return text.length === 13 ? `${text}:00:00` : `${text}:00`;
}
