// POST /commit: a container becomes an image. The container stands still while its files are read, unless the client says otherwise.
import type { ContainerConfig } from '@berth/api/host-config';
import { CONTAINER_CREATE } from '@berth/api/request-shapes';
import { EngineError } from '@berth/errdefs/engine-error';
import { parseRepositoryAndTag, withDefaultTag } from '@berth/oci/reference';
import express, { type Router } from 'express';
import { type ContainerContext, emitContainerEvent } from '../containers/context.ts';
import { pauseContainer, unpauseContainer } from '../containers/pause.ts';
import { prepareRootfs } from '../containers/prepare.ts';
import { commitImage } from '../images/commit-image.ts';
import type { ImageContext } from '../images/image-context.ts';
import { sendJson } from '../server/reply.ts';
import { jsonBody, query, queryBoolean, queryList, spanOf } from '../server/request.ts';

export function commitRoutes(containers: ContainerContext, images: ImageContext): Router {
  const router = express.Router();

  router.post('/commit', async (request, response) => {
    const container = containers.store.get(query(request, 'container'));
    const repository = query(request, 'repo');
    const reference = repository === '' ? undefined : withDefaultTag(parseRepositoryAndTag(repository, query(request, 'tag')));
    if (reference?.digest !== undefined) throw new EngineError('InvalidArgument', 'cannot commit to digest reference', { layer: 'daemon' });
    const asked = await jsonBody<ContainerConfig>(request, CONTAINER_CREATE, 'Config');
    const span = spanOf(request);
    const { id, imageId, chainId, path, args, config, state } = container.record;
    const pauses = state.phase === 'running' && queryBoolean(request, 'pause', true);
    await prepareRootfs(containers, container, span);
    if (pauses) await pauseContainer(containers, container, span);
    let Id: string;
    try {
      Id = await commitImage(images, {
        container: { id, imageId, chainId, path, args },
        config: merged(config, asked),
        changes: queryList(request, 'changes'),
        reference,
        comment: query(request, 'comment'),
        author: query(request, 'author'),
      });
      emitContainerEvent(containers, container, 'commit', {
        comment: query(request, 'comment'),
        imageID: Id,
        imageRef: reference ? repository : '',
      });
    } finally {
      if (pauses) await unpauseContainer(containers, container, span);
    }
    // Who has the answer finds the container running.
    sendJson(response, 201, { Id });
  });

  return router;
}

/** What the request leaves out is the container's own. */
function merged(own: ContainerConfig, asked: ContainerConfig): ContainerConfig {
  const given = Object.entries(asked).filter(
    ([, value]) => value !== null && value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return {
    ...own,
    ...Object.fromEntries(given),
    Env: [...(own.Env ?? []), ...(asked.Env ?? [])],
    Labels: { ...own.Labels, ...asked.Labels },
    ExposedPorts: { ...own.ExposedPorts, ...asked.ExposedPorts },
    Volumes: { ...own.Volumes, ...asked.Volumes },
  };
}
