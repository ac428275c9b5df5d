// Plain ustar archives for test images: small files, directories and links, byte for byte what the test asks for.

export interface TarEntry {
  name: string;
  /** Text or bytes of a file; a name with a slash at its end is a directory. */
  body?: string | Uint8Array;
  mode?: number;
  linkTo?: string;
}

export function tar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocks), Buffer.alloc(1024)]);
}

function blocks(entry: TarEntry): Buffer[] {
  const body = Buffer.from(entry.body ?? '');
  const directory = entry.name.endsWith('/');
  const header = Buffer.alloc(512);
  header.write(entry.name, 0, 100);
  header.write(octal(entry.mode ?? (directory ? 0o755 : 0o644), 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(body.length, 11), 124);
  header.write(octal(1_700_000_000, 11), 136);
  header.write('        ', 148);
  header.write(entry.linkTo !== undefined ? '2' : directory ? '5' : '0', 156);
  header.write(entry.linkTo ?? '', 157, 100);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width, '0');
}
