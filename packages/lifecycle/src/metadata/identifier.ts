// What containers, execs, leases and namespaces may be called (containerd's identifiers.Validate): these names become parts of paths.
import { EngineError } from '@berth/errdefs/engine-error';

const PATTERN = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;
const LONGEST = 76;

/** Throws InvalidArgument, in containerd's words; it names the place (`container.ID: `) of some. */
export function validateIdentifier(id: string, place = ''): void {
  if (id === '') throw new EngineError('InvalidArgument', `${place}identifier must not be empty: invalid argument`, { layer: 'lifecycle' });
  if (id.length > LONGEST) {
    throw new EngineError(
      'InvalidArgument',
      `${place}identifier "${id}" greater than maximum length (${LONGEST} characters): invalid argument`,
      {
        layer: 'lifecycle',
      },
    );
  }
  if (!PATTERN.test(id)) {
    throw new EngineError('InvalidArgument', `${place}identifier "${id}" must match ${PATTERN.source}: invalid argument`, {
      layer: 'lifecycle',
    });
  }
}
