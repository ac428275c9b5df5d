// What containers, execs, leases and namespaces may be called (containerd's identifiers.Validate): these names become parts of paths.
import { EngineError } from '@berth/errdefs/engine-error';

const PATTERN = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;
const LONGEST = 76;

/** Throws InvalidArgument. `what` names the kind of object in the message. */
export function validateIdentifier(what: string, id: string): void {
  if (id === '') throw new EngineError('InvalidArgument', `${what} must not be empty: invalid argument`, { layer: 'lifecycle' });
  if (id.length > LONGEST) {
    throw new EngineError('InvalidArgument', `${what} "${id}" greater than maximum length (${LONGEST} characters): invalid argument`, {
      layer: 'lifecycle',
    });
  }
  if (!PATTERN.test(id)) {
    throw new EngineError('InvalidArgument', `${what} "${id}" must match ${PATTERN.source}: invalid argument`, { layer: 'lifecycle' });
  }
}
