// What an OCI runtime's failure means: its last error in log.json, and the kinds that containerd concludes from its words.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';

export function runtimeError(log: string, command: string, binary: string, status: number): EngineError {
  const message = lastError(log) ?? `${binary} ${command} ended with status ${status} and said nothing`;
  const details = { binary, command, status };
  if (/does not exist/.test(message)) return new EngineError('NotFound', message, { layer: 'runtime', details });
  if (/os: process already finished|container not running|no such process|process not found/.test(message)) {
    return new EngineError('NotFound', 'process already finished: not found', { layer: 'runtime', details });
  }
  return new EngineError('Unknown', message, { layer: 'runtime', details });
}

/** Lines of JSON; what is none is passed over. */
function lastError(log: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(log, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.trim().split('\n').reverse()) {
    try {
      const entry = JSON.parse(line) as { level?: string; msg?: string };
      if (entry.level === 'error' || entry.level === 'fatal') return entry.msg;
    } catch {
      // A runtime that writes plain text too.
    }
  }
  return undefined;
}
