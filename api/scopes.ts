// What a client of the HTTP API may do. Each route asks for one scope; a key or a token carries some.

/** Every scope and what it allows. */
export const scopes = {
  'tasks:submit': 'submit tasks',
  'tasks:read': 'read own tasks: state, updates and results',
  'tasks:read:all': "read every user's tasks, results and usage",
  'tasks:cancel': 'cancel and rate own tasks; with tasks:read:all, those of every user',
  'approvals:decide': 'approve or reject tool calls that wait for a person',
  'ops:read': 'read topics, lanes, breakers, dead letters, alerts, limits and configuration',
  'ops:write': 'pause stages, replay and purge dead letters, silence alerts, rebuild limits',
  'keys:write': 'create, list and revoke API keys',
} as const

export type Scope = keyof typeof scopes
