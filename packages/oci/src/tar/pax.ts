// pax extended headers: `<length> <key>=<value>\n` records (POSIX.1-2001 pax, "pax Extended Header"), the length counting itself.
// Keys and values are byte strings.
import { malformed } from './header.ts';

export type PaxRecords = Map<string, string>;

export const XATTR_PREFIX = 'SCHILY.xattr.';

export function readPax(bytes: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space);
    const length = /^[0-9]{1,9}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(0x3d, space);
    if (length <= digits.length || end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] !== 0x0a) {
      throw malformed('invalid pax record in tar header');
    }
    records.set(bytes.toString('latin1', space + 1, equals), bytes.toString('latin1', equals + 1, end - 1));
    at = end;
  }
  return records;
}

export function writePax(records: PaxRecords): Buffer {
  let text = '';
  for (const [key, value] of records) {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + String(rest.length).length;
    if (String(length).length !== String(rest.length).length) length = rest.length + String(length).length;
    text += `${length}${rest}`;
  }
  return Buffer.from(text, 'latin1');
}

/** A pax time, `seconds[.fraction]`, maybe negative. Nanoseconds count forward from `seconds`. */
export function parsePaxTime(text: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (!match) throw malformed(`invalid time in pax record: ${JSON.stringify(text.slice(0, 40))}`);
  const whole = Number(match[2]);
  const fraction = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (!match[1]) return { seconds: whole, nanoseconds: fraction };
  return fraction === 0 ? { seconds: -whole, nanoseconds: 0 } : { seconds: -whole - 1, nanoseconds: 1e9 - fraction };
}

export function formatPaxTime(seconds: number, nanoseconds: number): string {
  const negative = seconds < 0;
  const whole = negative && nanoseconds > 0 ? seconds + 1 : seconds;
  const fraction = negative && nanoseconds > 0 ? 1e9 - nanoseconds : nanoseconds;
  const digits = fraction === 0 ? '' : `.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
  return `${negative ? '-' : ''}${Math.abs(whole)}${digits}`;
}

/** A record's number, or `otherwise` for one that is missing or empty. */
export function decimal(text: string | undefined, otherwise: number): number {
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw malformed(`invalid number in pax record: ${JSON.stringify(text.slice(0, 40))}`);
  }
  return value;
}
