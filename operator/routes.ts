/** Paths of the operator's part of the HTTP API: the gateway serves them, `httpOperator` calls them. */
export const operatorPaths = {
  tasks: '/v1/tasks',
  task: '/v1/tasks/:id',
  agents: '/v1/fleet/agents',
  tools: '/v1/fleet/tools',
  models: '/v1/fleet/models',
  config: '/v1/fleet/config',
  lanes: '/v1/fleet/lanes',
  pauses: '/v1/fleet/pauses',
  topics: '/v1/topics',
  breakers: '/v1/breakers',
  deadLetters: '/v1/dead-letters',
  deadLetter: '/v1/dead-letters/:id',
  replayAll: '/v1/dead-letters/replay',
  purge: '/v1/dead-letters/purge',
  replay: '/v1/dead-letters/:id/replay',
  alerts: '/v1/alerts',
  silence: '/v1/alerts/:rule/silence',
  testAlert: '/v1/alerts/:rule/test',
  usage: '/v1/usage',
  usageExport: '/v1/usage/export',
  limits: '/v1/limits',
  rebuildLimits: '/v1/limits/rebuild',
  keys: '/v1/keys',
  key: '/v1/keys/:id',
} as const

/** A path with its parameters filled in. */
export function pathWith(path: string, values: Readonly<Record<string, string>>): string {
  return path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(values[name] ?? ''))
}
