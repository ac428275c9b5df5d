// `--mount`: a line of CSV, key=value or bare key (docker/cli's opts.MountOpt). `-v` goes to the daemon as it is, except that a
// relative source is made absolute here, where the user's directory is known.

import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { MountKind, MountRequest, Propagation } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { parseSize } from '../format/units.ts';

const KINDS: readonly MountKind[] = ['bind', 'volume', 'tmpfs', 'npipe', 'cluster', 'image'];

export function parseMount(text: string): MountRequest {
  const mount: MountRequest = { Type: 'volume' };
  for (const field of csv(text)) apply(mount, field, text);
  if (!mount.Target) throw wrong(text, 'target is required');
  if (mount.Type === 'bind' && !mount.Source) throw wrong(text, 'source is required');
  if (mount.VolumeOptions && mount.Type !== 'volume') throw wrong(text, `cannot mix 'volume-*' options with mount type '${mount.Type}'`);
  if (mount.BindOptions && mount.Type !== 'bind') throw wrong(text, `cannot mix 'bind-*' options with mount type '${mount.Type}'`);
  if (mount.TmpfsOptions && mount.Type !== 'tmpfs') throw wrong(text, `cannot mix 'tmpfs-*' options with mount type '${mount.Type}'`);
  return mount;
}

function apply(mount: MountRequest, field: string, whole: string): void {
  const cut = field.indexOf('=');
  const key = (cut < 0 ? field : field.slice(0, cut)).toLowerCase();
  const value = cut < 0 ? undefined : field.slice(cut + 1);
  const boolean = () => {
    if (value === undefined || value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw wrong(whole, `invalid value for ${key}: ${value}`);
  };
  const required = () => {
    if (value === undefined) throw wrong(whole, `invalid field '${field}' must be a key=value pair`);
    return value;
  };
  switch (key) {
    case 'type': {
      const kind = required().toLowerCase() as MountKind;
      if (!KINDS.includes(kind)) throw wrong(whole, `unsupported mount type '${kind}': use one of ${KINDS.join(', ')}`);
      mount.Type = kind;
      return;
    }
    case 'source':
    case 'src':
      mount.Source = absoluteSource(required());
      return;
    case 'target':
    case 'dst':
    case 'destination':
      mount.Target = required();
      return;
    case 'readonly':
    case 'ro':
      mount.ReadOnly = boolean();
      return;
    case 'consistency':
      mount.Consistency = required();
      return;
    case 'bind-propagation':
      mount.BindOptions = { ...mount.BindOptions, Propagation: required() as Propagation };
      return;
    case 'bind-nonrecursive':
      mount.BindOptions = { ...mount.BindOptions, NonRecursive: boolean() };
      return;
    case 'bind-create-src':
      mount.BindOptions = { ...mount.BindOptions, CreateMountpoint: boolean() };
      return;
    case 'bind-recursive':
      mount.BindOptions = { ...mount.BindOptions, ...recursive(required(), whole) };
      return;
    case 'volume-nocopy':
      mount.VolumeOptions = { ...mount.VolumeOptions, NoCopy: boolean() };
      return;
    case 'volume-subpath':
      mount.VolumeOptions = { ...mount.VolumeOptions, Subpath: required() };
      return;
    case 'volume-label': {
      const [name, ...rest] = required().split('=');
      mount.VolumeOptions = { ...mount.VolumeOptions, Labels: { ...mount.VolumeOptions?.Labels, [name as string]: rest.join('=') } };
      return;
    }
    case 'volume-driver':
      mount.VolumeOptions = { ...mount.VolumeOptions, DriverConfig: { ...mount.VolumeOptions?.DriverConfig, Name: required() } };
      return;
    case 'volume-opt': {
      const [name, ...rest] = required().split('=');
      const driver = mount.VolumeOptions?.DriverConfig;
      mount.VolumeOptions = {
        ...mount.VolumeOptions,
        DriverConfig: { ...driver, Options: { ...driver?.Options, [name as string]: rest.join('=') } },
      };
      return;
    }
    case 'image-subpath':
      mount.ImageOptions = { Subpath: required() };
      return;
    case 'tmpfs-size': {
      const size = parseSize(required());
      if (size === undefined) throw wrong(whole, `invalid value for ${key}: ${value}`);
      mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: size };
      return;
    }
    case 'tmpfs-mode': {
      const mode = Number.parseInt(required(), 8);
      if (Number.isNaN(mode)) throw wrong(whole, `invalid value for ${key}: ${value}`);
      mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: mode };
      return;
    }
    default:
      throw wrong(whole, `unknown option '${key}' in '${field}'`);
  }
}

function recursive(value: string, whole: string): NonNullable<MountRequest['BindOptions']> {
  switch (value) {
    case 'enabled':
      return {};
    case 'disabled':
      return { NonRecursive: true };
    case 'writable':
      return { ReadOnlyNonRecursive: true };
    case 'readonly':
      return { ReadOnlyForceRecursive: true };
    default:
      throw wrong(whole, `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`);
  }
}

/** `-v ./data:/data` and `~/data`: the daemon may be elsewhere, so the client resolves what is relative to its user. */
export function absoluteVolume(text: string): string {
  const cut = text.indexOf(':');
  return cut < 0 ? text : absoluteSource(text.slice(0, cut)) + text.slice(cut);
}

function absoluteSource(source: string): string {
  if (source === '~' || source.startsWith('~/')) return join(homedir(), source.slice(1));
  if (isAbsolute(source) || !/^\.{1,2}(\/|$)/.test(source)) return source;
  return resolve(source);
}

/** One line of CSV: fields may be quoted, a quote inside is doubled. */
function csv(line: string): string[] {
  const fields: string[] = [];
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g))
    fields.push(match[1] === undefined ? (match[2] as string) : match[1].replaceAll('""', '"'));
  return fields.filter((field) => field !== '');
}

function wrong(text: string, why: string): EngineError {
  return new EngineError('InvalidArgument', `invalid argument "${text}" for "--mount" flag: ${why}`, { layer: 'cli' });
}
