// The Differ whose work is done by the unpack workers. Runs in the lifecycle service: it finds the directories behind mounts, and moves
// what a comparison yields into the content store.
import { EngineError, isKind, prefixed } from '@berth/errdefs/engine-error';
import { compressionOf, type Descriptor, isLayerType, MEDIA_TYPE } from '@berth/oci/image-spec';
import { mergeLabels, UNCOMPRESSED } from '../content/blob-labels.ts';
import type { Content } from '../content/content.ts';
import { refForOnce } from '../content/ingest-record.ts';
import type { Mount } from '../snapshots/snapshotter.ts';
import type { ApplyJob } from './apply-layer.ts';
import type { Compared, CompareJob } from './compare-job.ts';
import { comparisonOf } from './comparison.ts';
import type { Applied, ApplyOptions, CompareOptions, Differ } from './differ.ts';
import { directoriesOf, writableDirectories } from './mounted-directory.ts';
import type { UnpackPool } from './unpack-pool.ts';

export class WorkerDiffer implements Differ {
  readonly #pool: UnpackPool;

  constructor(pool: UnpackPool) {
    this.#pool = pool;
  }

  async apply(content: Content, layer: Descriptor, mounts: readonly Mount[], options: ApplyOptions = {}): Promise<Applied> {
    if (!isLayerType(layer.mediaType)) {
      throw new EngineError(
        'NotImplemented',
        `no processor for media-type: ${layer.mediaType}: only tar layers, plain, gzip or zstd, can be unpacked`,
        { layer: 'lifecycle' },
      );
    }
    if (mounts.length === 0) throw new EngineError('InvalidArgument', 'no mounts to unpack onto: invalid argument', { layer: 'lifecycle' });
    const known = directoriesOf(mounts) && writableDirectories(mounts);
    const job: ApplyJob = {
      kind: 'apply',
      blob: content.path(layer.digest),
      digest: layer.digest,
      directory: known?.upper ?? [...mounts],
      lowers: known?.lowers ?? [],
      whiteouts: options.whiteouts ?? known?.whiteouts ?? 'remove',
      sync: options.sync ?? false,
    };
    try {
      return await this.#pool.run<Applied>(job, { onProgress: options.onProgress, signal: options.signal });
    } catch (thrown) {
      if (options.signal?.aborted) throw thrown;
      throw prefixed(thrown, `failed to extract layer ${layer.digest}: `);
    }
  }

  async compare(content: Content, lower: readonly Mount[], upper: readonly Mount[], options: CompareOptions = {}): Promise<Descriptor> {
    const mediaType = options.mediaType || MEDIA_TYPE.ociLayerGzip;
    const compression = isLayerType(mediaType) ? compressionOf(mediaType) : undefined;
    if (compression === undefined)
      throw new EngineError('NotImplemented', `unsupported diff media type: ${mediaType}: not implemented`, { layer: 'lifecycle' });
    const latest = options.sourceDateEpoch && Math.floor(options.sourceDateEpoch.getTime() / 1000);
    const job: CompareJob = { kind: 'compare', ...comparisonOf(lower, upper), mountPoints: options.mountPoints ?? [], compression, latest };
    const ref = options.ref || refForOnce('compare');
    await using writer = await content.writer({ ref });
    await writer.truncate(0);
    try {
      const { diffId } = await this.#pool.run<Compared>(job, { onChunk: (bytes) => writer.write(bytes), signal: options.signal });
      const size = writer.offset;
      const digest = writer.digest();
      const labels = { ...options.labels, [UNCOMPRESSED]: diffId };
      try {
        await writer.commit({ size, labels });
      } catch (error) {
        if (!isKind(error, 'AlreadyExists')) throw error;
        mergeLabels(content, digest, labels);
      }
      return { mediaType, digest, size };
    } catch (error) {
      await writer.close();
      await content.abort(ref).catch(() => {});
      throw error;
    }
  }
}
