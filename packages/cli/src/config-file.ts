// ~/.docker/config.json, the file that docker's client shares with Berth's: formats, detach keys, credentials, headers.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';

export interface ConfigFile {
  auths?: Record<string, { auth?: string; identitytoken?: string; registrytoken?: string; username?: string; password?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  HttpHeaders?: Record<string, string>;
  detachKeys?: string;
  psFormat?: string;
  imagesFormat?: string;
  volumesFormat?: string;
  networksFormat?: string;
  statsFormat?: string;
  proxies?: Record<string, { httpProxy?: string; httpsProxy?: string; noProxy?: string; ftpProxy?: string; allProxy?: string }>;
}

/** The file's contents; empty when there is none. */
export function readConfigFile(directory: string): ConfigFile {
  const path = join(directory, 'config.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return {};
    throw new EngineError('PermissionDenied', `cannot read ${path}: ${(error as Error).message}`, { layer: 'cli', cause: error });
  }
  try {
    return JSON.parse(text) as ConfigFile;
  } catch (error) {
    throw new EngineError('InvalidArgument', `${path} is not valid JSON: ${(error as Error).message}`, { layer: 'cli', cause: error });
  }
}

/** Rewrites the file as a whole, other programs' keys included; what becomes undefined goes. Readable for its owner alone unless it was otherwise. */
export function changeConfigFile(directory: string, update: (whole: Record<string, unknown>) => Record<string, unknown>): void {
  const path = join(directory, 'config.json');
  const whole = update(readConfigFile(directory) as Record<string, unknown>);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const partial = `${path}.${process.pid}`;
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o600;
  try {
    writeFileSync(partial, `${JSON.stringify(whole, null, '\t')}\n`, { mode });
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
