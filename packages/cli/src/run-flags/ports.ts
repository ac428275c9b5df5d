// `-p` and `--expose`: [host address:][host port[-range]:]container port[-range][/protocol], in docker's grammar
// (docker/go-connections nat). Ranges are expanded pair by pair.
import { isIP } from 'node:net';
import type { KeySet, PortBinding, PortMap } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';

export interface Ports {
  exposed: KeySet;
  bindings: PortMap;
}

export function parsePorts(published: readonly string[], exposed: readonly string[]): Ports {
  const ports: Ports = { exposed: {}, bindings: {} };
  for (const text of published) publish(text, ports);
  for (const text of exposed) {
    const [range, protocol = 'tcp'] = text.split('/') as [string, string?];
    const [first, last] = parseRange(range, () =>
      wrong(`invalid range format for --expose: ${text}, error: strconv.ParseUint: parsing ${JSON.stringify(range)}: invalid syntax`),
    );
    for (let port = first; port <= last; port++) ports.exposed[`${port}/${protocol}`] = {};
  }
  return ports;
}

function publish(text: string, ports: Ports): void {
  const { host, hostPort, containerPort, protocol } = split(text);
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw wrong(`invalid proto: ${protocol}`);
  if (containerPort === '') throw wrong(`no port specified: ${text}<empty>`);
  const [first, last] = parseRange(containerPort, () => wrong(`invalid containerPort: ${containerPort}`));
  const hostRange = hostPort === '' ? undefined : parseRange(hostPort, () => wrong(`invalid hostPort: ${hostPort}`));
  const many = last - first;
  if (hostRange && hostRange[1] - hostRange[0] !== many && many !== 0) {
    throw wrong(`invalid ranges specified for container and host Ports: ${containerPort} and ${hostPort}`);
  }
  for (let offset = 0; offset <= many; offset++) {
    const key = `${first + offset}/${protocol}`;
    ports.exposed[key] = {};
    const binding: PortBinding = { HostIp: host, HostPort: '' };
    // One container port for a range of host ports: the daemon takes the first that is free.
    if (hostRange)
      binding.HostPort = many === 0 && hostRange[1] !== hostRange[0] ? `${hostRange[0]}-${hostRange[1]}` : String(hostRange[0] + offset);
    ports.bindings[key] = [...(ports.bindings[key] ?? []), binding];
  }
}

function split(text: string): { host: string; hostPort: string; containerPort: string; protocol: string } {
  const slash = text.lastIndexOf('/');
  const protocol = slash < 0 ? 'tcp' : text.slice(slash + 1).toLowerCase();
  const address = slash < 0 ? text : text.slice(0, slash);
  const parts = /^\[([^\]]*)\]:?(.*)$/.exec(address);
  const fields = parts ? (parts[2] as string).split(':') : address.split(':');
  const containerPort = fields.pop() ?? '';
  const hostPort = fields.pop() ?? '';
  const host = parts ? (parts[1] as string) : fields.join(':');
  if (host !== '' && !isIP(host)) throw wrong(`invalid IP address: ${host}`);
  return { host, hostPort, containerPort, protocol };
}

function parseRange(text: string, error: () => EngineError): [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (!match) throw error();
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first > 65535 || last > 65535 || last < first) throw error();
  return [first, last];
}

function wrong(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli' });
}
