// POST /containers/create
import type { ContainerCreateRequest, ContainerCreateResponse } from '@berth/api/container';
import type { Engine } from '../engine.ts';

export function createContainer(
  engine: Engine,
  request: ContainerCreateRequest,
  options: { name?: string; platform?: string } = {},
): Promise<ContainerCreateResponse> {
  return engine.json('POST', '/containers/create', { query: { name: options.name, platform: options.platform }, json: request });
}
