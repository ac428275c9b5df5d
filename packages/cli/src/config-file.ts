// ~/.docker/config.json, the file that docker's client shares with Berth's: formats, detach keys, credentials, headers.
import { readFileSync } from 'node:fs';
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
