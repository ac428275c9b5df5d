// Labels of stored objects, and the field masks that update them (containerd's labels.Validate and its `labels.<key>` paths).
import { EngineError } from '@berth/errdefs/engine-error';

export type Labels = Record<string, string>;

/** containerd's limit for a key and its value together, in bytes. */
const MAX_SIZE = 4096;

export function fits(key: string, value: string): boolean {
  return sizeOf(key, value) <= MAX_SIZE;
}

/** InvalidArgument, in containerd's words; `place` is what they call the labels' owner, as `image`. */
export function validateLabels(labels: Labels, place = 'info'): void {
  for (const [key, value] of Object.entries(labels)) {
    if (fits(key, value)) continue;
    const shown = key.length > 64 ? key.slice(0, 64) : key;
    throw new EngineError(
      'InvalidArgument',
      `${place}.Labels: label key and value length (${sizeOf(key, value)} bytes) greater than maximum size (${MAX_SIZE} bytes), key: ${shown}: invalid argument`,
    );
  }
}

function sizeOf(key: string, value: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value);
}

/**
 * `current` after an update: all of `wanted` without field paths, else only the labels that the paths name. An empty value in a
 * `labels.<key>` path removes the key. Paths that are not about labels are the caller's to handle or refuse.
 */
export function updateLabels(current: Labels, wanted: Labels, fieldPaths: readonly string[] = [], place?: string): Labels {
  let labels = fieldPaths.length === 0 ? { ...wanted } : { ...current };
  for (const path of fieldPaths) {
    if (path === 'labels') labels = { ...wanted };
    else if (path.startsWith('labels.')) {
      const key = path.slice('labels.'.length);
      const value = wanted[key];
      if (value === undefined || value === '') delete labels[key];
      else labels[key] = value;
    }
  }
  validateLabels(labels, place);
  return labels;
}
