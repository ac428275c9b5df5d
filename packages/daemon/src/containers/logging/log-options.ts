// `--log-driver` and `--log-opt`: which drivers there are, and which options each takes (moby's daemon/logger). Checked at the
// creation, so that a start does not fail for a word that was wrong from the beginning.
import type { HostConfig } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { parseSize } from '../../config/size.ts';

const COMMON = ['mode', 'max-buffer-size'];
const OPTIONS: Readonly<Record<string, ReadonlySet<string>>> = {
  'json-file': new Set([...COMMON, 'max-file', 'max-size', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag']),
  local: new Set([...COMMON, 'max-file', 'max-size', 'compress']),
  none: new Set(COMMON),
};

export function checkLogConfig(config: HostConfig['LogConfig']): void {
  if (!config?.Type) return;
  const known = OPTIONS[config.Type];
  if (!known) throw invalid(`logger: no log driver named '${config.Type}' is registered`);
  const options = config.Config ?? {};
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw invalid(`unknown log opt '${name}' for ${config.Type} log driver`);
  }
  if (options['max-size'] !== undefined && options['max-size'] !== '-1') parseSize(options['max-size']);
  if (options['max-file'] !== undefined && !/^[1-9]\d*$/.test(options['max-file'])) throw invalid('max-file cannot be less than 1');
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
