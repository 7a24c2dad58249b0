/** In the order in which a task passes them. Separate from the services, so that help need not load them. */
export const serviceNames = [
  'router',
  'planner',
  'tool-executor',
  'code-sandbox',
  'metering',
  'alerting',
  'gateway',
] as const
