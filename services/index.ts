/** In the order in which a task meets them. Apart from the services themselves, so that help need not load them. */
export const serviceNames = [
  'router',
  'planner',
  'tool-executor',
  'code-sandbox',
  'metering',
  'alerting',
  'gateway',
] as const
