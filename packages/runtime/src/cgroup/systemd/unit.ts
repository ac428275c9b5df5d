// Which unit a container gets, and where systemd puts its cgroup (systemd.slice(5)). Pure functions.
import { EngineError } from '@berth/errdefs/engine-error';

export interface Unit {
  /** `<prefix>-<id>.scope`, or a slice. */
  name: string;
  /** Below which it stands, e.g. `system.slice`. */
  slice: string;
}

/** cgroupsPath is `slice:prefix:name`; without one it is `system.slice:berth:<id>`, of a user `user.slice:berth:<id>`. */
export function unitFor(id: string, cgroupsPath: string | undefined, rootless: boolean): Unit {
  const home = rootless ? 'user.slice' : 'system.slice';
  if (!cgroupsPath) return { name: `berth-${id}.scope`, slice: home };
  const [slice, prefix, name, more] = cgroupsPath.split(':');
  if (name === undefined || more !== undefined)
    throw invalid(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`,
    );
  if (name === '' || /[/\0]/.test(`${prefix}${name}`)) throw invalid(`cgroupsPath ${JSON.stringify(cgroupsPath)} does not name a unit`);
  return { name: name.endsWith('.slice') ? name : `${prefix}-${name}.scope`, slice: slice || home };
}

/** `a-b.slice` lies in `/a.slice/a-b.slice`, `-.slice` is the root. */
export function slicePath(slice: string): string {
  const base = /^([^/]+)\.slice$/.exec(slice)?.[1];
  if (base === undefined) throw invalid(`invalid slice name: ${slice}`);
  if (base === '-') return '';
  const parts = base.split('-');
  if (parts.includes('')) throw invalid(`invalid slice name: ${slice}`);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'runtime', details: { field: 'linux.cgroupsPath' } });
}
