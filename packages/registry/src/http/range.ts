// Range requests (RFC 9110 section 14) and the Content-Range of upload chunks, which the distribution-spec writes as `<start>-<end>`.
import { Problem } from '../problem.ts';
import type { Range } from '../store/blobs.ts';

/** The one range that a header asks for; undefined means everything: no header, several ranges, or a form not known. */
export function requestedRange(header: string | undefined, size: number): Range | undefined {
  const match = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const first = match[1] === '' ? Math.max(size - Number(match[2]), 0) : Number(match[1]);
  const last = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[1] !== '' && match[2] !== '' && Number(match[2]) < first) return undefined;
  if (first >= size || last < first) {
    throw new Problem('RANGE_INVALID', `the blob has ${size} bytes: the range lies outside`, {
      headers: { 'content-range': `bytes */${size}` },
    });
  }
  return { start: first, end: last };
}

/** A chunk's place in its upload. RANGE_INVALID for a header that is none. */
export function chunkRange(header: string | undefined): Range | undefined {
  if (header === undefined) return undefined;
  const match = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/(?:\d+|\*))?$/.exec(header.trim());
  const [start, end] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || !Number.isSafeInteger(start) || !Number.isSafeInteger(end) || end < start)
    throw new Problem('RANGE_INVALID', `Content-Range "${header.slice(0, 100)}" is not <start>-<end>`);
  return { start, end };
}

/** What has arrived of an upload, as the Range header of its answers says it; Docker's registry says 0-0 for nothing. */
export function receivedRange(size: number): string {
  return `0-${Math.max(size - 1, 0)}`;
}
