// What is wrong with a Dockerfile, in the words that dockerd has for it: clients and people search for them.
import { EngineError } from '@berth/errdefs/engine-error';

export function syntaxError(line: number, message: string): EngineError {
  return new EngineError('InvalidArgument', `dockerfile parse error on line ${line}: ${message}`, { layer: 'builder', details: { line } });
}
