// Image names on the command line: REPOSITORY[:TAG][@DIGEST]. The daemon judges them; here they are only taken apart.

/** The repository and the tag, which is absent when none was written. A colon before a slash belongs to a registry's port. */
export function splitTag(name: string): { repo: string; tag?: string } {
  const at = name.lastIndexOf(':');
  if (at < 0 || name.slice(at).includes('/')) return { repo: name };
  return { repo: name.slice(0, at), tag: name.slice(at + 1) };
}

/** The registry that a name belongs to, as config.json's `auths` spells it. */
export function registryOf(name: string): string {
  const first = name.split('/')[0] as string;
  const isHost = name.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost ? first : 'https://index.docker.io/v1/';
}
