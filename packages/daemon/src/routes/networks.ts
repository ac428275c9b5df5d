// /networks: the HTTP face of networks/.
import { Filters } from '@berth/api/filters';
import type { NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest } from '@berth/api/network';
import { NETWORK_CONNECT, NETWORK_CREATE, NETWORK_DISCONNECT } from '@berth/api/request-shapes';
import { Router } from 'express';
import type { ContainerStore } from '../containers/container-store.ts';
import { NETWORK_FILTERS, NETWORK_PRUNE_FILTERS, type NetworkVerbs } from '../networks/network-verbs.ts';
import { sendEmpty, sendJson } from '../server/reply.ts';
import { jsonBody, parameter, query } from '../server/request.ts';

export function networkRoutes(networks: NetworkVerbs, store: ContainerStore): Router {
  const router = Router();

  router.get('/networks', (request, response) => {
    sendJson(response, 200, networks.list(Filters.parse(query(request, 'filters'), NETWORK_FILTERS)));
  });

  router.post('/networks/create', async (request, response) => {
    const record = networks.create(await jsonBody<NetworkCreateRequest>(request, NETWORK_CREATE, 'NetworkCreateRequest', true));
    sendJson(response, 201, { Id: record.id, Warning: '' });
  });

  router.post('/networks/prune', (request, response) => {
    sendJson(response, 200, { NetworksDeleted: networks.prune(Filters.parse(query(request, 'filters'), NETWORK_PRUNE_FILTERS)) });
  });

  router.get('/networks/:id', (request, response) => {
    sendJson(response, 200, networks.inspect(parameter(request, 'id')));
  });

  router.post('/networks/:id/connect', async (request, response) => {
    const body = await jsonBody<NetworkConnectRequest>(request, NETWORK_CONNECT, 'NetworkConnectRequest', true);
    await networks.connect(parameter(request, 'id'), store.get(body.Container), body.EndpointConfig ?? {});
    sendEmpty(response, 200);
  });

  router.post('/networks/:id/disconnect', async (request, response) => {
    const body = await jsonBody<NetworkDisconnectRequest>(request, NETWORK_DISCONNECT, 'NetworkDisconnectRequest', true);
    await networks.disconnect(parameter(request, 'id'), store.get(body.Container));
    sendEmpty(response, 200);
  });

  router.delete('/networks/:id', (request, response) => {
    networks.remove(parameter(request, 'id'));
    sendEmpty(response, 204);
  });

  return router;
}
