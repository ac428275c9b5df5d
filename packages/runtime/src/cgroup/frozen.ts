// A new container must not be put into a cgroup that somebody froze: its init would stop before it could say why.
import { EngineError } from '@berth/errdefs/engine-error';

export function unexpectedlyFrozen(): EngineError {
  return new EngineError('FailedPrecondition', "container's cgroup unexpectedly frozen: thaw it, or choose another cgroupsPath", {
    layer: 'runtime',
  });
}
