// POST /auth and GET /distribution/{name}/json: the two requests in which the daemon asks a registry something for a client.
import type { AuthConfig } from '@berth/api/image';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { type Descriptor, isIndexType, parseImageConfig, parseManifestDocument } from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import { canonical, DEFAULT_DOMAIN, type Reference, withDefaultTag } from '@berth/oci/reference';
import { Connection } from '@berth/oci/registry/connection';
import { anonymous, type Credentials, credentialsOf } from '@berth/oci/registry/credentials';
import { Repository } from '@berth/oci/registry/repository';
import { worded } from './pull-image.ts';
import type { RegistryHosts } from './registry-hosts.ts';

export interface LoginResult {
  Status: string;
  IdentityToken: string;
}

export async function login(hosts: RegistryHosts, auth: AuthConfig, signal: AbortSignal): Promise<LoginResult> {
  const domain = domainOf(auth.serveraddress ?? '');
  const credentials = credentialsOf(auth);
  const upstream = (await hosts.hostsFor(domain)).at(-1);
  if (!upstream) throw new EngineError('NotFound', `no registry host is configured for ${domain}`, { layer: 'daemon' });
  using connection = new Connection(upstream, '', async () => credentials, { offline: true });
  try {
    await connection.ping(signal);
  } catch (thrown) {
    const error = toEngineError(thrown);
    if (error.kind !== 'Unauthenticated' && error.kind !== 'PermissionDenied')
      throw new EngineError('Internal', error.message, { layer: 'daemon', cause: error });
    throw new EngineError(
      'Unauthenticated',
      `login attempt to ${upstream.scheme}://${upstream.host}${upstream.path}/ failed with status: 401 Unauthorized`,
      { layer: 'daemon', cause: error },
    );
  }
  return { Status: 'Login Succeeded', IdentityToken: connection.identityToken ?? '' };
}

export interface DistributionInspect {
  Descriptor: Descriptor;
  Platforms: Platform[];
}

export async function inspectDistribution(
  hosts: RegistryHosts,
  text: Reference,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<DistributionInspect> {
  const reference = withDefaultTag(text);
  try {
    using repository = await Repository.open({ reference, hosts, credentials: credentials ? async () => credentials : anonymous });
    const { descriptor, bytes } = await repository.manifest(reference.digest ?? reference.tag ?? 'latest', { signal });
    const document = parseManifestDocument(bytes, descriptor.mediaType);
    if (document.kind === 'index') {
      return {
        Descriptor: descriptor,
        Platforms: document.index.manifests.flatMap((entry) => (isIndexType(entry.mediaType) ? [] : (entry.platform ?? []))),
      };
    }
    const chunks: Buffer[] = [];
    for await (const chunk of repository.blob(document.manifest.config, { signal })) chunks.push(chunk);
    const { os, architecture, variant } = parseImageConfig(Buffer.concat(chunks));
    return { Descriptor: descriptor, Platforms: [{ os, architecture, ...(variant === undefined ? {} : { variant }) }] };
  } catch (error) {
    const failure = worded(error, reference);
    throw failure.kind === 'Internal'
      ? new EngineError('Internal', `${canonical(reference)}: ${failure.message}`, { layer: 'daemon', cause: failure })
      : failure;
  }
}

/** Docker Hub's address in ~/.docker/config.json is that of its first registry. */
function domainOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
  return host === '' || host === 'index.docker.io' || host === 'registry-1.docker.io' ? DEFAULT_DOMAIN : host;
}
