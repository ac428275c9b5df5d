// `--mount`: a line of CSV, key=value or bare key (docker/cli's opts.MountOpt). `-v` goes to the daemon as it is, except that a
// relative source is made absolute here, where the user's directory is known.
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { MountKind, MountRequest, Propagation } from '@berth/api/host-config';
import { parseSize } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';
import type { UsageError } from '../exit.ts';
import { invalid } from '../parse.ts';

/** Options that mean true when they stand alone. */
const BARE = ['readonly', 'ro', 'bind-nonrecursive', 'bind-create-src', 'volume-nocopy'];

export function parseMount(text: string): MountRequest {
  const mount: MountRequest = { Type: 'volume' };
  for (const field of csv(text)) apply(mount, field, text);
  const reason = whyInvalid(mount);
  if (reason !== undefined) throw wrong(text, reason);
  return mount;
}

/** What can be said without the daemon; whether the type is known is for it to say. */
function whyInvalid({
  Type,
  Target,
  ReadOnly,
  BindOptions: bind,
  VolumeOptions,
  ImageOptions,
  TmpfsOptions,
}: MountRequest): string | undefined {
  const mixed = (family: string) => `cannot mix '${family}-*' options with mount type '${Type}'`;
  const needs = (value: string, other: string) => `option 'bind-recursive=${value}' requires '${other}' to be specified in conjunction`;
  if (!Target) return 'target is required';
  if (VolumeOptions && Type !== 'volume') return mixed('volume');
  if (ImageOptions && Type !== 'image') return mixed('image');
  if (bind && Type !== 'bind') return mixed('bind');
  if (TmpfsOptions && Type !== 'tmpfs') return mixed('tmpfs');
  if (bind?.ReadOnlyNonRecursive && !ReadOnly) return needs('writable', 'readonly');
  if (bind?.ReadOnlyForceRecursive && !ReadOnly) return needs('readonly', 'readonly');
  if (bind?.ReadOnlyForceRecursive && bind.Propagation !== 'rprivate') return needs('readonly', 'bind-propagation=rprivate');
  return undefined;
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
  const required = () => value ?? '';
  if (value === undefined && !BARE.includes(key)) throw wrong(whole, `invalid field '${field}' must be a key=value pair`);
  switch (key) {
    case 'type':
      mount.Type = required().toLowerCase() as MountKind;
      return;
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
      throw wrong(whole, `unexpected key '${key}' in '${field}'`);
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
  const parts = text.split(':');
  const wrong = parts.includes('') ? 'empty section between colons' : parts.length > 3 ? 'too many colons' : undefined;
  if (wrong !== undefined) throw new EngineError('InvalidArgument', `invalid spec: ${text}: ${wrong}`, { layer: 'cli' });
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
  if (line === '') throw wrong(line, 'EOF');
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    const [whole = '', quoted, plain = ''] = /^(?:"((?:[^"]|"")*)"(?=,|$)|([^,]*))/.exec(line.slice(at)) as RegExpExecArray;
    if (quoted === undefined && plain.includes('"')) {
      const column = at + plain.indexOf('"') + 1;
      throw wrong(
        line,
        `parse error on line 1, column ${column}: ${plain.startsWith('"') ? 'extraneous or missing " in quoted-field' : 'bare " in non-quoted-field'}`,
      );
    }
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    at += whole.length + 1;
  }
  return fields.filter((field) => field !== '');
}

function wrong(text: string, why: string): UsageError {
  return invalid('mount', undefined, text, why);
}
