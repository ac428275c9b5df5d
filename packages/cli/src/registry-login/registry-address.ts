// What a registry is called in config.json: Docker Hub by the address of its first registry, others by host and port.

export const HUB = 'https://index.docker.io/v1/';

export function registryAddress(argument: string | undefined): string {
  if (argument === undefined || argument === '') return HUB;
  const host = argument.replace(/^https?:\/\//, '').split('/')[0] as string;
  return ['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(host) ? HUB : host;
}
