/** What `/healthz` of the admin port says in every state of the balancer: the command line knows the port by it. */
export const RUNS = 'The balancer runs';
