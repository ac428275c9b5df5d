// A comparison of two snapshots by the daemon itself, above a service that packs whatever it finds (containerd): what the runtime made in
// a container's root only to mount over it is left out here. The snapshots' directories are on this machine, as the service is.
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { UNCOMPRESSED } from '@berth/lifecycle/content/blob-labels';
import type { Compared } from '@berth/lifecycle/diff/compare-job';
import { comparisonOf } from '@berth/lifecycle/diff/comparison';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import type { ImageServices } from './image-services.ts';
import type { Compare } from './image-writer.ts';

export function compareHere(threads: UnpackPool, services: ImageServices, lease: string, mountPoints: readonly string[]): Compare {
  return async (left, right) => {
    const layer = new PassThrough();
    const closed = new AbortController();
    layer.once('close', () => closed.abort());
    const onChunk = async (bytes: Uint8Array) => {
      if (!layer.write(bytes)) await once(layer, 'drain', { signal: closed.signal });
    };
    const job = { kind: 'compare', ...comparisonOf(left, right), mountPoints, compression: 'gzip', latest: undefined } as const;
    const compared = threads.run<Compared>(job, { onChunk });
    compared.then(
      () => layer.end(),
      (error) => layer.destroy(error),
    );
    const [{ digest, size }, { diffId }] = await Promise.all([services.write(layer, { lease }), compared]);
    const labels = { [UNCOMPRESSED]: diffId };
    await services.content.update({ info: { digest, labels }, updateMask: { paths: [`labels.${UNCOMPRESSED}`] } });
    return { descriptor: { mediaType: MEDIA_TYPE.dockerLayerGzip, digest, size }, diffId };
  };
}
