// A failed system call on a layer's member, as an error that names the member.
import { SysError } from '@berth/errdefs/engine-error';
import { toText } from '@berth/oci/tar/entry';
import { errnoName, errnoText } from '@berth/sys/libc';

/** `result` is the negative errno; `path` a byte string. */
export function failure(call: string, path: string, result: number): SysError {
  const number = -result;
  return new SysError(call, number, errnoName(number), errnoText(errnoName(number)), [JSON.stringify(toText(path))]);
}
