// An image as an archive that `ctr images import` takes.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf } from '@berth/oci/digest';
import { directory, file, layer } from './layer-fixture.ts';

/** Writes an OCI layout with one image of two layers as a tar archive; returns its path and the layers' chain ids' end. */
export function imageArchive(at: string, name: string, rootfs: Buffer): string {
  const layout = join(at, 'layout');
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const put = (mediaType: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    writeFileSync(join(layout, 'blobs/sha256', digest.slice(7)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const tars = [rootfs, layer(directory('data'), file('data/hello', 'from the second layer\n'))];
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
  };
  const manifest = put(
    'application/vnd.oci.image.manifest.v1+json',
    json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: put('application/vnd.oci.image.config.v1+json', json(config)),
      layers: tars.map((tar) => put('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar))),
    }),
  );
  writeFileSync(
    join(layout, 'index.json'),
    json({ schemaVersion: 2, manifests: [{ ...manifest, annotations: { 'io.containerd.image.name': name } }] }),
  );
  writeFileSync(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  execFileSync('tar', ['cf', join(at, 'image.tar'), '-C', layout, '.']);
  return join(at, 'image.tar');
}
