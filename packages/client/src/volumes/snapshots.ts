// /volumes/{name}/snapshots: a volume's files as they were. Berth's own.
import type { VolumeSnapshot } from '@berth/api/volume';
import type { Engine } from '../engine.ts';

const path = (volume: string) => `/volumes/${encodeURIComponent(volume)}/snapshots`;

export function listSnapshots(engine: Engine, volume: string): Promise<VolumeSnapshot[]> {
  return engine.json('GET', path(volume));
}

export function createSnapshot(engine: Engine, volume: string, name: string): Promise<VolumeSnapshot> {
  return engine.json('POST', path(volume), { query: { name } });
}

export async function restoreSnapshot(engine: Engine, volume: string, name: string): Promise<void> {
  await engine.call('POST', `${path(volume)}/${encodeURIComponent(name)}/restore`);
}

export async function removeSnapshot(engine: Engine, volume: string, name: string): Promise<void> {
  await engine.call('DELETE', `${path(volume)}/${encodeURIComponent(name)}`);
}
