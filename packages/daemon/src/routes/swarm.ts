// What this engine does not have and clients ask for all the same: swarm mode and plugins. The answers are those of a daemon
// outside any swarm, with no plugin installed, so that probing clients go on.
import { EngineError } from '@berth/errdefs/engine-error';
import { Router } from 'express';
import { sendJson } from '../server/reply.ts';
import { parameter } from '../server/request.ts';

const NO_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

export function swarmRoutes(): Router {
  const router = Router();

  router.post(['/swarm/init', '/swarm/join'], () => {
    throw new EngineError('NotImplemented', 'swarm mode is not available: this engine runs containers on one host', { layer: 'daemon' });
  });

  router.post('/swarm/leave', () => {
    throw new EngineError('Unavailable', 'This node is not part of a swarm', { layer: 'daemon' });
  });

  router.all(
    ['swarm', 'nodes', 'services', 'tasks', 'secrets', 'configs'].flatMap((noun) => [`/${noun}`, `/${noun}/{*rest}`]),
    () => {
      throw new EngineError('Unavailable', NO_MANAGER, { layer: 'daemon' });
    },
  );

  router.get('/plugins', (_request, response) => sendJson(response, 200, []));

  router.get('/plugins/:name/json', (request) => {
    throw new EngineError('NotFound', `plugin "${parameter(request, 'name')}" not found`, { layer: 'daemon' });
  });

  return router;
}
