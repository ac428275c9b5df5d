// Names of a layer's members: relative, without `.` and `..`, as byte strings.
import { EngineError } from '@berth/errdefs/engine-error';
import { toText } from '@berth/oci/tar/entry';

const ORDINARY = /^(?:[^/]|\/(?!\/))+$/;
const DOTS = /(?:^|\/)\.{1,2}(?:\/|$)/;

/** `/a/./b/../c/` is `a/c`, the root is ''. A name that climbs out of the root is refused: no honest archive has one. */
export function normalName(name: string): string {
  if (name[0] !== '/' && name[name.length - 1] !== '/' && ORDINARY.test(name) && !DOTS.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw new EngineError('InvalidArgument', `the archive holds a name outside of its root: ${JSON.stringify(toText(name))}`, {
        layer: 'lifecycle',
      });
    }
  }
  return parts.join('/');
}

export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
