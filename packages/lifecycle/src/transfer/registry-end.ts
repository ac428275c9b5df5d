// A transfer's registry end, as its client describes it (containerd's types/transfer/registry.proto): where hosts are looked up,
// and credentials asked from the client over its stream.
import { EngineError } from '@berth/errdefs/engine-error';
import { parseReference, type Reference, withDefaultTag } from '@berth/oci/reference';
import type { CredentialSource, Credentials } from '@berth/oci/registry/credentials';
import { anonymous } from '@berth/oci/registry/credentials';
import { ConfiguredHosts, type HostSource, type RegistryHost } from '@berth/oci/registry/host';
import { HostDirectory } from '@berth/oci/registry/host-directory';
import { Repository } from '@berth/oci/registry/repository';
import { pack, unpack } from '@berth/rpc/any';
import {
  AuthRequest,
  AuthResponse,
  AuthType,
  type OCIRegistry,
  type RegistryResolver,
} from '@berth/rpc/gen/containerd/types/transfer/registry';
import type { MessageStream } from './streams.ts';

export interface RegistryEnd {
  reference: Reference;
  repository: Repository;
}

export interface RegistryAccess {
  /** Finds the client's streams by their ids. */
  streamOf(id: string): MessageStream;
  /** How often a request is tried. */
  attempts?: number | undefined;
  /** Directories of hosts.toml files for clients that name none. */
  defaultHosts?: string | undefined;
}

export async function openRegistryEnd(end: OCIRegistry, { streamOf, attempts, defaultHosts = '' }: RegistryAccess): Promise<RegistryEnd> {
  const reference = withDefaultTag(parseReference(end.reference));
  const credentials = end.resolver?.authStream ? askOver(streamOf(end.resolver.authStream), end.reference) : anonymous;
  const hosts = hostsOf(end.resolver, defaultHosts);
  return { reference, repository: await Repository.open({ reference, hosts, credentials, attempts }) };
}

function hostsOf(resolver: RegistryResolver | undefined, defaultHosts: string): HostSource {
  const directories = resolver?.hostDir || defaultHosts;
  const found: HostSource = directories ? new HostDirectory(directories) : new ConfiguredHosts();
  if (!resolver || (resolver.defaultScheme === '' && Object.keys(resolver.headers).length === 0)) return found;
  return {
    async hostsFor(domain): Promise<readonly RegistryHost[]> {
      const hosts = await found.hostsFor(domain);
      return hosts.map((host) => ({
        ...host,
        ...(resolver.defaultScheme === 'http' ? { scheme: 'http' as const } : {}),
        headers: { ...host.headers, ...resolver.headers },
      }));
    },
  };
}

/** Questions to a client are put one after another: answers carry no number. */
function askOver(stream: MessageStream, reference: string): CredentialSource {
  let last: Promise<unknown> = Promise.resolve();
  return ({ host, challenges }) => {
    const answer = last.then(async () => {
      stream.send(pack(AuthRequest, { host, reference, wwwauthenticate: [...challenges] }));
      const message = await stream.receive();
      return message === undefined ? undefined : credentialsOf(unpack(AuthResponse, message));
    });
    last = answer.catch(() => {});
    return answer;
  };
}

function credentialsOf(response: AuthResponse): Credentials | undefined {
  switch (response.authType) {
    case AuthType.NONE:
      return undefined;
    case AuthType.CREDENTIALS:
      return { kind: 'password', username: response.username, password: response.secret };
    case AuthType.REFRESH:
      return { kind: 'identity-token', token: response.secret };
    case AuthType.HEADER:
      return { kind: 'bearer-token', token: response.secret.replace(/^Bearer\s+/i, '') };
    default:
      throw new EngineError('InvalidArgument', `unknown auth type ${response.authType as number}`, { layer: 'lifecycle' });
  }
}
