// An archive's plain bytes, whether it came plain, gzipped or packed with zstd.
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { sniffLayer } from './image-writer.ts';

export async function* uncompressed(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { mediaType, rest } = await sniffLayer(archive);
  if (mediaType === MEDIA_TYPE.dockerLayer) yield* rest;
  else {
    const decompressor = mediaType === MEDIA_TYPE.dockerLayerGzip ? createGunzip() : createZstdDecompress();
    const source = Readable.from(rest);
    source.on('error', (error) => decompressor.destroy(error));
    yield* source.pipe(decompressor) as AsyncIterable<Buffer>;
  }
}
